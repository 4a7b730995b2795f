// Package kdb drives the text console of Linux's kernel debugger kdb (6.1 and
// near it) over a serial line, as a person would type.
//
// What the console does not promise:
//
//   - That a prompt is the end: it is one only when nothing follows it, and the
//     commands of a package are printed after a prompt that names the package.
//   - That output comes in one piece: it stops at a pager after some lines, and
//     whatever the kernel prints stands between.
//   - That a word is refused: an unknown one may be an address expression, and a
//     longer one may run the command it begins with. So only whole, known
//     commands are sent, with numbers as 0x.
//   - That an error looks like one: bad addresses give a line of text and blank
//     columns.
//   - That a break-in arrives before a stop: the g of break-and-g then lies on
//     the command line and would let the kernel go.
//   - That hardware breakpoints work: Linux 6.1 accepts them, and none ever
//     springs, so Info tells that they have to be tried.
//   - That the console is at a prompt at all: a running kernel's console belongs
//     to somebody else, and nothing but Enter is typed there unasked.
//
// The package must not know symbols or what tasks are; it passes on what the
// console says.
//
// # Ladder
//
// text parsers (text.go), the line (console.go), then the target (target.go) and
// its memory, registers, traps and running (run.go). A command of a newer kernel
// is a parser and a method.
package kdb
