//! Makes of passkeys by the number (AAGUID) that they give themselves, for a first name in the list. Nobody vouches for the
//! number, so nothing is decided by it.

/// As in the passkeys developers' list of AAGUIDs: what people are likely to meet.
const MAKES: [(&str, &str); 16] = [
    ("adce0002-35bc-c60a-648b-0b25f1f05503", "Chrome on Mac"),
    ("08987058-cadc-4b81-b6e1-30de50dcbe96", "Windows Hello"),
    ("9ddd1817-af5a-4672-a2b9-3e3dd95000a9", "Windows Hello"),
    ("6028b017-b1d4-4c02-b4b3-afcdafc96bb2", "Windows Hello"),
    ("ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4", "Google Password Manager"),
    ("fbfc3007-154e-4ecc-8c0b-6e020557d7bd", "Apple Passwords"),
    ("dd4ec289-e01d-41c9-bb89-70fa845d4bf2", "iCloud Keychain (managed)"),
    ("bada5566-a7aa-401f-bd96-45619a55120d", "1Password"),
    ("d548826e-79b4-db40-a3d8-11116f7e8349", "Bitwarden"),
    ("531126d6-e717-415c-9320-3d9aa6981239", "Dashlane"),
    ("fdb141b2-5d84-443e-8a35-4698c205a502", "KeePassXC"),
    ("eaecdef2-1c31-5634-8639-f1cbd9c00a08", "KeePassDX"),
    ("50726f74-6f6e-5061-7373-50726f746f6e", "Proton Pass"),
    ("53414d53-554e-4700-0000-000000000000", "Samsung Pass"),
    ("ee882879-721c-4913-9775-3dfcce97072a", "YubiKey"),
    ("2fc0579f-8113-47ea-b116-bb5a8db9202a", "YubiKey"),
];

/// The make of that number; `None` for one that is not known here.
pub fn of(aaguid: &[u8; 16]) -> Option<&'static str> {
    let hex = data_encoding::HEXLOWER.encode(aaguid);
    let same = |number: &str| number.bytes().filter(|byte| *byte != b'-').eq(hex.bytes());
    MAKES.iter().find(|(number, _)| same(number)).map(|(_, make)| *make)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_number_has_a_name_and_zeros_have_none() {
        let number = 0xfdb1_41b2_5d84_443e_8a35_4698_c205_a502_u128;
        assert_eq!((of(&number.to_be_bytes()), of(&[0; 16])), (Some("KeePassXC"), None));
    }
}
