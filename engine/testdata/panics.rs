// One panic that is caught, one in a thread.
fn main() {
    let caught = std::panic::catch_unwind(|| {
        let none: Option<u32> = None;
        none.unwrap()
    });
    assert!(caught.is_err());
    let joined = std::thread::spawn(|| panic!("in a thread")).join();
    assert!(joined.is_err());
}
