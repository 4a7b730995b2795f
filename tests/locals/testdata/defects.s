# A function whose debugging information has what gdb 13 reads wrongly. The truth
# is in defects.c.
	.text
	.globl	probe
	.type	probe, @function
probe:
	.cfi_startproc
	nop
	ret
	.cfi_endproc
.Lend:
	.size	probe, .-probe

	.section .debug_abbrev,"",@progbits
.Labbrev:
	.uleb128 1		# compile unit
	.uleb128 0x11
	.byte 1
	.uleb128 0x03, 0x08, 0x11, 0x01, 0x12, 0x07, 0x13, 0x0b, 0, 0
	.uleb128 2		# base type: name, size, encoding
	.uleb128 0x24
	.byte 0
	.uleb128 0x03, 0x08, 0x0b, 0x0b, 0x3e, 0x0b, 0, 0
	.uleb128 3		# structure: name, size
	.uleb128 0x13
	.byte 1
	.uleb128 0x03, 0x08, 0x0b, 0x0b, 0, 0
	.uleb128 4		# member: name, type, offset
	.uleb128 0x0d
	.byte 0
	.uleb128 0x03, 0x08, 0x49, 0x13, 0x38, 0x0b, 0, 0
	.uleb128 5		# function: name, external, low, high, frame base
	.uleb128 0x2e
	.byte 1
	.uleb128 0x03, 0x08, 0x3f, 0x19, 0x11, 0x01, 0x12, 0x07, 0x40, 0x18, 0, 0
	.uleb128 6		# variable: name, type, expression
	.uleb128 0x34
	.byte 0
	.uleb128 0x03, 0x08, 0x49, 0x13, 0x02, 0x18, 0, 0
	.uleb128 7		# variable: name, type, location list
	.uleb128 0x34
	.byte 0
	.uleb128 0x03, 0x08, 0x49, 0x13, 0x02, 0x17, 0, 0
	.byte 0

	.section .debug_loclists,"",@progbits
	.long .Llists1-.Llists0
.Llists0:
	.value 5
	.byte 8, 0
	.long 0
.Llist:
	.byte 7			# start_end, which is nothing: an empty range
	.quad probe, probe
	.uleb128 2
	.byte 0x30, 0x9f	# lit0, stack_value
	.byte 7
	.quad probe, .Lend
	.uleb128 2
	.byte 0x33, 0x9f	# lit3, stack_value
	.byte 0
.Llists1:

	.section .debug_info,"",@progbits
.Lunit:
	.long .Lunit1-.Lunit0
.Lunit0:
	.value 5
	.byte 1, 8
	.long .Labbrev
	.uleb128 1
	.asciz "defects.s"
	.quad probe
	.quad .Lend-probe
	.byte 0x0c		# C99
.Lint:
	.uleb128 2
	.asciz "int"
	.byte 4, 5
.Lu64:
	.uleb128 2
	.asciz "unsigned long"
	.byte 8, 7
.Lu128:
	.uleb128 2
	.asciz "unsigned __int128"
	.byte 16, 7
.Lpair:
	.uleb128 3
	.asciz "pair"
	.byte 8
	.uleb128 4
	.asciz "a"
	.long .Lint-.Lunit
	.byte 0
	.uleb128 4
	.asciz "b"
	.long .Lint-.Lunit
	.byte 4
	.byte 0
	.uleb128 5
	.asciz "probe"
	.quad probe
	.quad .Lend-probe
	.uleb128 1
	.byte 0x9c		# call_frame_cfa
	.uleb128 6
	.asciz "part"		# lit7, stack_value, piece 4: b is not described
	.long .Lpair-.Lunit
	.uleb128 4
	.byte 0x37, 0x9f, 0x93, 4
	.uleb128 7
	.asciz "i"
	.long .Lint-.Lunit
	.long .Llist
	.uleb128 6
	.asciz "wide"		# const_type 16 bytes, convert to 8
	.long .Lu64-.Lunit
	.uleb128 .Lwide1-.Lwide0
.Lwide0:
	.byte 0xa4
	.uleb128 .Lu128-.Lunit
	.byte 16
	.quad 5, 1
	.byte 0xa8
	.uleb128 .Lu64-.Lunit
	.byte 0x9f
.Lwide1:
	.uleb128 6
	.asciz "mixed"		# const1u 0xff, convert, constu 93, and
	.long .Lu64-.Lunit
	.uleb128 .Lmixed1-.Lmixed0
.Lmixed0:
	.byte 0x08, 0xff, 0xa8
	.uleb128 .Lu64-.Lunit
	.byte 0x10, 93, 0x1a, 0x9f
.Lmixed1:
	.byte 0, 0
.Lunit1:
	.section .note.GNU-stack,"",@progbits
