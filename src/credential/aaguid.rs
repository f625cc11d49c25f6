//! Which model or password manager made a passkey (WebAuthn §6.5.2). With attestation "none" nobody vouches for it: a name to
//! show to its owner, and nothing else.

use ciborium::Value;
use std::io::Cursor;
use uuid::Uuid;

/// The AAGUID in an attestation object (§6.5.4), if it has one.
pub fn of(attestation: &[u8]) -> Option<Uuid> {
    const FLAGS: usize = 32;
    const ATTESTED: u8 = 0x40;
    let object = ciborium::from_reader::<Value, _>(Cursor::new(attestation)).ok()?.into_map().ok()?;
    let found = object.into_iter().find(|(key, _)| key.as_text() == Some("authData"));
    let data = found?.1.into_bytes().ok()?;
    if data.get(FLAGS)? & ATTESTED == 0 {
        return None;
    }
    Uuid::from_slice(data.get(37..53)?).ok().filter(|id| !id.is_nil())
}

/// The names of those that most people have.
pub fn name(id: Uuid) -> Option<&'static str> {
    KNOWN.iter().find(|(known, _)| *known == id.as_u128()).map(|(_, name)| *name)
}

const KNOWN: [(u128, &str); 19] = [
    (0xea9b8d66_4d01_1d21_3ce4_b6b48cb575d4, "Google Password Manager"),
    (0xadce0002_35bc_c60a_648b_0b25f1f05503, "Chrome on Mac"),
    (0x08987058_cadc_4b81_b6e1_30de50dcbe96, "Windows Hello"),
    (0x9ddd1817_af5a_4672_a2b9_3e3dd95000a9, "Windows Hello"),
    (0x6028b017_b1d4_4c02_b4b3_afcdafc96bb2, "Windows Hello"),
    (0xfbfc3007_154e_4ecc_8c0b_6e020557d7bd, "Apple Passwords"),
    (0xdd4ec289_e01d_41c9_bb89_70fa845d4bf2, "Apple Passwords"),
    (0xbada5566_a7aa_401f_bd96_45619a55120d, "1Password"),
    (0xd548826e_79b4_db40_a3d8_11116f7e8349, "Bitwarden"),
    (0x531126d6_e717_415c_9320_3d9aa6981239, "Dashlane"),
    (0xb84e4048_15dc_4dd0_8640_f4f60813c8af, "NordPass"),
    (0x0ea242b4_43c4_4a1b_8b17_dd6d0b6baec6, "Keeper"),
    (0x53414d53_554e_4700_0000_000000000000, "Samsung Pass"),
    (0x50726f74_6f6e_5061_7373_50726f746f6e, "Proton Pass"),
    (0xfdb141b2_5d84_443e_8a35_4698c205a502, "KeePassXC"),
    (0xcb69481e_8ff7_4039_93ec_0a2729a154a8, "YubiKey 5"),
    (0xee882879_721c_4913_9775_3dfcce97072a, "YubiKey 5"),
    (0x2fc0579f_8113_47ea_b116_bb5a8db9202a, "YubiKey 5 NFC"),
    (0xfa2b99dc_9e39_4257_8f92_4a30d23c4118, "YubiKey 5 NFC"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aaguid_is_read_where_there_is_one_and_nothing_breaks_where_there_is_none() {
        let object = |data: Vec<u8>| {
            let map = Value::Map(vec![
                (Value::Text("fmt".into()), Value::Text("none".into())),
                (Value::Text("authData".into()), Value::Bytes(data)),
            ]);
            let mut bytes = Vec::new();
            ciborium::into_writer(&map, &mut bytes).unwrap();
            bytes
        };
        let data = |flags: u8, id: Uuid| [&[0; 32][..], &[flags, 0, 0, 0, 0], id.as_bytes()].concat();
        let bitwarden = Uuid::from_u128(0xd548826e_79b4_db40_a3d8_11116f7e8349);
        assert_eq!(of(&object(data(0x45, bitwarden))).and_then(name), Some("Bitwarden"));
        assert_eq!(of(&object(data(0x45, Uuid::from_u128(7)))).and_then(name), None);
        assert_eq!(of(&object(data(0x05, bitwarden))), None);
        assert_eq!(of(&object(data(0x45, Uuid::nil()))), None);
        for broken in [vec![], vec![0xff], object(vec![]), object(vec![0x45; 33])] {
            assert_eq!(of(&broken), None);
        }
    }
}
