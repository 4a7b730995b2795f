# Code of a sized symbol, code that no symbol has, and code of one without a size.
        .text
        .globl sized, loose, _start
        .type sized, @function
sized:  nop
        ret
        .size sized, 2
        .fill 30, 1, 0xcc       # nobody's
        .type loose, @function
loose:  nop
        .fill 31, 1, 0x90       # loose's
        .type _start, @function
_start: ret
        .size _start, 1
        .fill 31, 1, 0xcc       # nobody's
        .type both, @function
both:
        .type wide, @function
wide:   ret
        .size wide, 1
        .fill 15, 1, 0x90       # both's, which has no size
