// Asks the browser for a passkey, puts its answer into the form beside it and sends the form. Without this file the forms stay
// hidden. Nothing here is sent by any other way.
(() => {
  'use strict';
  if (!window.PublicKeyCredential || !navigator.credentials) return;
  const began = Date.now();
  const isOld = () => Date.now() - began > 110000;
  const bytes = text => Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), c => c.charCodeAt(0));
  const text = buffer => buffer ? btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '') : null;
  const keys = list => (list || []).map(key => ({ ...key, id: bytes(key.id) }));

  const unpack = options => ({
    ...options,
    challenge: bytes(options.challenge),
    allowCredentials: keys(options.allowCredentials),
    excludeCredentials: keys(options.excludeCredentials),
    ...(options.user && { user: { ...options.user, id: bytes(options.user.id) } }),
  });

  const pack = key => {
    const said = key.response, results = key.getClientExtensionResults();
    const response = { clientDataJSON: text(said.clientDataJSON) };
    if (said.attestationObject) {
      response.attestationObject = text(said.attestationObject);
      response.authenticatorData = text(said.getAuthenticatorData?.());
      response.transports = said.getTransports?.() || [];
    } else {
      response.authenticatorData = text(said.authenticatorData);
      response.signature = text(said.signature);
      response.userHandle = text(said.userHandle);
    }
    const rest = results.credProps ? { credProps: { rk: results.credProps.rk } } : {};
    return JSON.stringify({ id: key.id, rawId: text(key.rawId), type: key.type, clientExtensionResults: rest, response });
  };

  let open;
  const ask = async (form, mediation) => {
    open?.abort();
    const mine = open = new AbortController();
    const request = { publicKey: unpack(JSON.parse(form.dataset.options)), signal: mine.signal };
    if (mediation) request.mediation = mediation;
    const key = await navigator.credentials[form.dataset.passkey](request);
    const kept = document.querySelector('input[type=checkbox][name=remember]');
    if (kept && form.elements.remember) form.elements.remember.disabled = !kept.checked;
    form.elements.answer.value = pack(key);
    form.submit();
  };

  const offer = async form => {
    if (!('autofill' in form.dataset)) return;
    if (await PublicKeyCredential.isConditionalMediationAvailable?.()) await ask(form, 'conditional');
  };

  const press = form => {
    const said = form.querySelector('[data-said]');
    said.textContent = '';
    ask(form).catch(fault => {
      said.textContent = fault.name === 'InvalidStateError' && form.dataset.known || form.dataset.cancelled;
      offer(form).catch(() => {});
    });
  };

  for (const form of document.querySelectorAll('form[data-passkey]')) {
    form.hidden = false;
    form.addEventListener('submit', event => {
      event.preventDefault();
      // What the page asks with counts for two minutes.
      if (isOld()) location.replace(form.dataset.again + (form.dataset.passkey === 'get' ? '#passkey' : ''));
      else press(form);
    });
    addEventListener('focus', () => {
      const typed = [...document.querySelectorAll('#name, #password, #code')].some(field => field.value);
      if ('autofill' in form.dataset && isOld() && !typed) location.replace(form.dataset.again);
    });
    if (location.hash === '#passkey' && form.dataset.passkey === 'get') press(form);
    else offer(form).catch(() => {});
  }
  for (const note of document.querySelectorAll('[data-unless-passkeys]')) note.hidden = true;
  for (const note of document.querySelectorAll('[data-signal]')) {
    PublicKeyCredential[note.dataset.signal]?.(JSON.parse(note.dataset.about)).catch(() => {});
  }
})();
