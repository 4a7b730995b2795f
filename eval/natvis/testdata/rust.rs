// Values of Rust's standard types. `shown` is where a debugger looks at them:
// all are its parameters' or locals. Lines "name<TAB>element<TAB>text" say what
// each holds.
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::ffi::OsString;
use std::fmt::Display;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicBool, AtomicI32};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

struct Point { x: i32, y: i32 }
struct Unit;
struct Wrapper(i32);
enum Shape { Circle(f64), Square { side: i32, name: String }, Empty }
enum Color { Red, Green = 7 }
trait Animal { fn legs(&self) -> i32; }
struct Dog { age: i32 }
impl Animal for Dog { fn legs(&self) -> i32 { 4 } }

fn number(i: usize) -> i32 { i as i32 * 7 - 3 }
fn word(i: usize) -> String {
    if i % 3 == 0 { format!("a rather long word, number {i}") } else { format!("w{i}") }
}
fn line(name: &str, element: impl Display, text: impl Display) { println!("{name}\t{element}\t{text}"); }
fn sequence<T: Display>(name: &str, list: impl Iterator<Item = T>) {
    let mut n = 0;
    for x in list { line(name, format!("[{n}]"), x); n += 1; }
    line(name, "#", n);
}
fn table<K: Display, V: Display>(name: &str, list: impl Iterator<Item = (K, V)>) {
    let mut n = 0;
    for (k, v) in list { line(name, format!("[{k}]"), v); n += 1; }
    line(name, "#", n);
}
fn quoted(s: &String) -> String { format!("\"{s}\"") }

macro_rules! sizes { ($make:expr) => { [$make(0), $make(1), $make(2), $make(1000)] } }

fn main() {
    let vecint: [Vec<i32>; 4] = sizes!(|n| (0..n).map(number).collect());
    let vectext: [Vec<String>; 4] = sizes!(|n| (0..n).map(word).collect());
    let vecbool: [Vec<bool>; 4] = sizes!(|n| (0..n).map(|i| i % 3 == 0).collect());
    let mut deqint: [VecDeque<i32>; 4] = sizes!(|n| (0..n).map(number).collect());
    for d in &mut deqint { if d.len() > 1 { d.rotate_left(1); let x = d.pop_front().unwrap(); d.push_back(x); } }
    let lst: [LinkedList<i32>; 4] = sizes!(|n| (0..n).map(number).collect());
    let mapint: [HashMap<i32, i32>; 4] = sizes!(|n| (0..n).map(|i| (number(i), i as i32)).collect());
    let maptext: [HashMap<String, i32>; 4] = sizes!(|n| (0..n).map(|i| (word(i), i as i32)).collect());
    let setint: [HashSet<i32>; 4] = sizes!(|n| (0..n).map(number).collect());
    let btree: [BTreeMap<i32, i32>; 4] = sizes!(|n| (0..n).map(|i| (number(i), i as i32)).collect());
    let btext: [BTreeMap<String, i32>; 4] = sizes!(|n| (0..n).map(|i| (word(i), i as i32)).collect());
    let bset: [BTreeSet<i32>; 4] = sizes!(|n| (0..n).map(number).collect());
    let heap: [BinaryHeap<i32>; 4] = sizes!(|n| (0..n).map(number).collect());
    for n in 0..4 {
        sequence(&format!("vecint[{n}]"), vecint[n].iter());
        sequence(&format!("vectext[{n}]"), vectext[n].iter().map(quoted));
        sequence(&format!("vecbool[{n}]"), vecbool[n].iter());
        sequence(&format!("deqint[{n}]"), deqint[n].iter());
        sequence(&format!("lst[{n}]"), lst[n].iter());
        table(&format!("mapint[{n}]"), mapint[n].iter());
        table(&format!("maptext[{n}]"), maptext[n].iter().map(|(k, v)| (quoted(k), v)));
        sequence(&format!("setint[{n}]"), setint[n].iter());
        table(&format!("btree[{n}]"), btree[n].iter());
        table(&format!("btext[{n}]"), btext[n].iter().map(|(k, v)| (quoted(k), v)));
        sequence(&format!("bset[{n}]"), bset[n].iter());
        sequence(&format!("heap[{n}]"), heap[n].iter());
    }
    let slice: &[i32] = &vecint[3][5..8];
    sequence("slice", slice.iter());
    let boxed: Box<[i32]> = vec![1, 2].into_boxed_slice();
    sequence("boxed", boxed.iter());
    let text: String = "héllo".to_string();
    line("text", "=", "\"héllo\"");
    let empty: String = String::new();
    line("empty", "=", "\"\"");
    let str1: &str = "a slice";
    line("str1", "=", "\"a slice\"");
    let letter: char = 'é';
    let some: Option<i32> = Some(5);
    line("some", "=", "Some(5)");
    let none: Option<i32> = None;
    line("none", "=", "None");
    let sometext: Option<String> = Some("opt".to_string());
    line("sometext", "=", "Some(\"opt\")");
    let nonetext: Option<String> = None;
    line("nonetext", "=", "None");
    let somebox: Option<Box<i32>> = Some(Box::new(3));
    let nonebox: Option<Box<i32>> = None;
    line("nonebox", "=", "None");
    let nonzero: Option<NonZeroU32> = NonZeroU32::new(9);
    let good: Result<i32, String> = Ok(1);
    line("good", "=", "Ok(1)");
    let bad: Result<i32, String> = Err("bad".to_string());
    line("bad", "=", "Err(\"bad\")");
    let circle = Shape::Circle(1.5);
    line("circle", "=", "Circle(1.5)");
    let square = Shape::Square { side: 3, name: "sq".to_string() };
    line("square", "=", "Square{side: 3, name: \"sq\"}");
    line("square", "side", "3");
    line("square", "name", "\"sq\"");
    let nothing = Shape::Empty;
    line("nothing", "=", "Empty");
    let green = Color::Green;
    line("green", "=", "Green (7)");
    let red = Color::Red;
    let pair: (i32, String) = (1, "one".to_string());
    line("pair", "=", "(1, \"one\")");
    let wrapped = Wrapper(8);
    line("wrapped", "=", "(8)");
    let point = Point { x: 1, y: -2 };
    line("point", "x", "1");
    line("point", "y", "-2");
    let rc: Rc<i32> = Rc::new(12);
    let rc2 = rc.clone();
    line("rc", "=", "12 [2 strong, 1 weak]");
    let weak: Weak<i32> = Rc::downgrade(&rc);
    line("weak", "=", "12 [2 strong, 1 weak]");
    let arc: Arc<String> = Arc::new("shared".to_string());
    line("arc", "=", "\"shared\" [1 strong, 0 weak]");
    let bx: Box<Point> = Box::new(Point { x: 3, y: 4 });
    line("bx", "x", "3");
    let animal: Box<dyn Animal> = Box::new(Dog { age: 7 });
    line("animal", "age", "7");
    let rcslice: Rc<[i32]> = Rc::from(vec![4, 5]);
    let rcstr: Rc<str> = Rc::from("counted");
    line("rcstr", "=", "\"counted\" [1 strong, 0 weak]");
    let cell: Cell<i32> = Cell::new(6);
    line("cell", "=", "6");
    let refcell: RefCell<String> = RefCell::new("in a cell".to_string());
    line("refcell", "=", "\"in a cell\"");
    let borrowed = refcell.borrow();
    let mutex: Mutex<i32> = Mutex::new(13);
    line("mutex", "=", "13");
    let lock: RwLock<i32> = RwLock::new(14);
    line("lock", "=", "14");
    let atomic = AtomicI32::new(-15);
    line("atomic", "=", "-15");
    let flag = AtomicBool::new(true);
    line("flag", "=", "true");
    let path: PathBuf = PathBuf::from("/tmp/x");
    line("path", "=", "\"/tmp/x\"");
    let os: OsString = OsString::from("os");
    line("os", "=", "\"os\"");
    let owned: Cow<str> = Cow::Owned("cow".to_string());
    line("owned", "=", "Owned(\"cow\")");
    let lent: Cow<str> = Cow::Borrowed("lent");
    line("lent", "=", "Borrowed(\"lent\")");
    let time: Duration = Duration::from_millis(1500);
    line("time", "=", "1.500000000s");
    let range = 3..9;
    line("range", "=", "3..9");
    let inclusive = 3..=9;
    line("inclusive", "=", "3..=9");
    let array: [i32; 3] = [1, 2, 3];
    let nested: Option<Result<i32, String>> = Some(Err("deep".to_string()));
    line("nested", "=", "Some(Err(\"deep\"))");
    let unit = Unit;
    println!("ready");
    std::io::stdin().read_line(&mut String::new()).unwrap(); // look here
    drop((unit, array, letter, nonzero, red, rcslice, borrowed, rc2, nested, inclusive, range, time, lent, owned, os, path));
    drop((flag, atomic, lock, mutex, cell, rcstr, animal, bx, arc, weak, rc, point, wrapped, pair, green, nothing, square));
    drop((circle, bad, good, nonebox, somebox, nonetext, sometext, none, some, str1, empty, text, boxed));
    std::process::exit(Dog { age: 1 }.legs());
}
