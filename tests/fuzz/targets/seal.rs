#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| cambio_fuzz::seal::check(input));
