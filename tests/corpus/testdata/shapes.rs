// Rust: enums with payloads, in niches and with explicit discriminants; slices,
// strings, trait objects, tuples, closures.
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

#[repr(i8)]
#[derive(Clone, Copy)]
pub enum Neg { A(u8) = -1, B(u16) = 2, C = 3 }
pub enum Shape { Circle(f64), Rect { w: f64, h: f64 }, Unit }
pub enum Niche { X(bool), Y, Z }
pub enum One { Only(u32) }
pub enum Big { A(u64, Option<Box<i32>>), B(String), C }
#[derive(Clone, Copy, PartialEq)]
pub enum Plain { P = -5, Q = 1000 }
pub union Bits { a: u32, b: f32 }
pub struct Generic<'a, T, const N: usize> { items: [T; N], name: &'a str, next: Option<Rc<Generic<'a, T, N>>> }
#[repr(C, packed)]
pub struct Packed(u8, u32, i128);
pub struct Zero;
trait Area { fn area(&self) -> f64; }
impl Area for Shape {
    fn area(&self) -> f64 {
        match self { Shape::Circle(r) => r * r * 3.0, Shape::Rect { w, h } => w * h, Shape::Unit => 1.0 }
    }
}
static TABLE: [(u8, &str); 2] = [(1, "one"), (2, "two")];
pub static mut COUNT: u64 = 3;

#[inline(always)]
fn double(n: i32) -> i32 { let t = n * 2; t }

fn main() {
    let o: Option<u32> = Some(std::env::args().count() as u32);
    let n: Option<Box<i32>> = None;
    let r: Result<String, std::num::ParseIntError> = Ok("x".to_string());
    let (neg, niche, one, big, plain) = (Neg::A(3), Niche::Y, One::Only(2), Big::C, Plain::Q);
    let bits = Bits { a: 1 };
    let slice: &[i32] = &[1, 2, 3];
    let text = "abc";
    let tuple = (1u8, 2.0f32, 'c', ());
    let closure = |x: i32| x + slice.len() as i32;
    let boxed: Box<dyn Fn(i32) -> i32> = Box::new(move |x| x + double(x));
    let shape: &dyn Area = &Shape::Rect { w: 1.0, h: 2.0 };
    let mut map = HashMap::new();
    map.insert("k".to_string(), 1i64);
    let tree: BTreeMap<u8, Plain> = vec![(1, Plain::P)].into_iter().collect();
    let g = Generic::<u16, 2> { items: [1, 2], name: "g", next: None };
    let packed = Packed(1, 2, -3);
    let ptr: *const Packed = &packed;
    let f: fn(i32) -> i32 = double;
    println!("{:?} {} {} {} {}", o, n.is_none(), text, tuple.0, closure(3) + boxed(3) + f(1));
    println!("{} {} {} {}", shape.area(), g.items[0], g.name.len(), TABLE[1].1);
    let _ = (r, neg, niche, one, big, plain as i32, bits, map, tree, ptr, g.next.is_some(), Zero);
}
