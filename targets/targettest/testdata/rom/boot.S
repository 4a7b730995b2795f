/* The first 64 KiB below 1 MiB, as a PC's firmware: from the reset vector
 * (F000:FFF0, real mode) into flat 32-bit protected mode, then machine_main().
 * No device is set up, so a recording of it is short and stepping back is quick. */
	.code16
	.section .boot16, "ax"
	.globl enter16
enter16:
	cli
	lgdtl %cs:table_at
	movl	%cr0, %ebx
	incl	%ebx			/* PE: bit 0 is clear after reset */
	movl	%ebx, %cr0
	ljmpl	$code_selector, $enter32

	.code32
	.text
	.set	code_selector, 8
	.set	data_selector, 16
enter32:
	movl	$data_selector, %ecx
	movl	%ecx, %ds
	movl	%ecx, %es
	movl	%ecx, %ss
	movl	$stack_top, %esp
	subl	%ebp, %ebp
	call	machine_main
halted:	hlt
	jmp	halted

	.p2align 3
segments:
	.quad	0
	.quad	0x00cf9b000000ffff	/* code: flat, 4 GiB */
	.quad	0x00cf93000000ffff	/* data: flat, 4 GiB */
	.globl	segment_table
segment_table:
	.word	. - segments - 1
	.long	segments

	.code16
	.section .vector, "ax"
	ljmp	$0xf000, $enter16_at
	.balign 16, 0xf4
	.section .note.GNU-stack, "", @progbits
