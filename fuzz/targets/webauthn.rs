#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| stepgate_fuzz::webauthn::check(input));
