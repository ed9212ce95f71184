"use strict";
const show = (id, text) => { document.getElementById(id).textContent = text; };
const log = (id, line) => { document.getElementById(id).textContent += line + "\n"; };

const socket = new WebSocket(`wss://${location.host}/echo`);
socket.onopen = () => show("ws-status", "open");
socket.onclose = () => show("ws-status", "closed");
socket.onmessage = (event) => log("ws-log", `echo: ${event.data}`);
document.getElementById("ws-form").onsubmit = (event) => {
  event.preventDefault();
  if (socket.readyState === WebSocket.OPEN) socket.send(document.getElementById("ws-input").value);
  else log("ws-log", "the socket is closed: reload the page");
};

document.getElementById("upload-form").onsubmit = async (event) => {
  event.preventDefault();
  const file = document.getElementById("upload-file").files[0];
  if (!file) { show("upload-result", "Choose a file first."); return; }
  show("upload-result", "uploading");
  try {
    const answer = await fetch("/upload", { method: "POST", body: file });
    show("upload-result", answer.ok ? await answer.text() : `The upload was not taken (${answer.status}).`);
  } catch (fault) { show("upload-result", `The upload did not arrive: ${fault.message}`); }
};

const events = new EventSource("/events");
events.onmessage = (event) => show("sse-log", event.data);
events.onerror = () => show("sse-log", "the stream has ended; the browser tries again");

fetch("/headers").then((answer) => answer.text()).then((text) => show("headers", text));

if ("serviceWorker" in navigator) {
  navigator.serviceWorker.register("/worker.js")
    .then(() => navigator.serviceWorker.ready).then(() => show("sw-status", "active"))
    .catch((fault) => show("sw-status", `not registered: ${fault.message}`));
}
