#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| stepgate_fuzz::id_token_hint::check(input));
