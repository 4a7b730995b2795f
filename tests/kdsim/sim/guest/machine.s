# What C cannot say: trap entries, the switch of threads, service traps.
	.intel_syntax noprefix
	.text

	.globl DbgBreakPointWithStatus, DbgBreakPoint, RtlpBreakWithStatusInstruction
	.def DbgBreakPointWithStatus; .scl 2; .type 32; .endef
	.p2align 4
DbgBreakPointWithStatus:
RtlpBreakWithStatusInstruction:
	int3
	ret
	.def DbgBreakPoint; .scl 2; .type 32; .endef
	.p2align 4
DbgBreakPoint:
	int3
	ret

	.globl DebugService
	.def DebugService; .scl 2; .type 32; .endef
	.p2align 4
DebugService:                          # (service, a, b, c, d)
	.seh_proc DebugService
	.seh_endprologue
	mov eax, ecx
	mov rcx, rdx
	mov rdx, r8
	mov r8, r9
	mov r9, [rsp+0x28]
	int 0x2d
	int3
	ret
	.seh_endproc

	.globl KiSwapContext
	.def KiSwapContext; .scl 2; .type 32; .endef
	.p2align 4
KiSwapContext:                         # (old, new)
	.seh_proc KiSwapContext
	sub rsp, 0x138
	.seh_stackalloc 0x138
	mov [rsp+0xf8], rbx
	.seh_savereg rbx, 0xf8
	mov [rsp+0x100], rdi
	.seh_savereg rdi, 0x100
	mov [rsp+0x108], rsi
	.seh_savereg rsi, 0x108
	mov [rsp+0x110], r12
	.seh_savereg r12, 0x110
	mov [rsp+0x118], r13
	.seh_savereg r13, 0x118
	mov [rsp+0x120], r14
	.seh_savereg r14, 0x120
	mov [rsp+0x128], r15
	.seh_savereg r15, 0x128
	.seh_endprologue
	mov rdi, rcx
	mov rsi, rdx
	call SwapContext
	mov rbx, [rsp+0xf8]
	mov rdi, [rsp+0x100]
	mov rsi, [rsp+0x108]
	mov r12, [rsp+0x110]
	mov r13, [rsp+0x118]
	mov r14, [rsp+0x120]
	mov r15, [rsp+0x128]
	add rsp, 0x138
	ret
	.seh_endproc

	.globl SwapContext
	.def SwapContext; .scl 2; .type 32; .endef
	.p2align 4
SwapContext:
	.seh_proc SwapContext
	push rbp
	.seh_pushreg rbp
	sub rsp, 0x30
	.seh_stackalloc 0x30
	.seh_endprologue
	mov [rdi+0x58], rsp
	mov rsp, [rsi+0x58]
	mov rax, [rsi+0xb8]                # its process
	mov rax, [rax+0x28]
	mov rcx, cr3
	cmp rax, rcx
	je same
	mov cr3, rax
same:
	add rsp, 0x30
	pop rbp
	ret
	.seh_endproc

	.globl KiStartSystemThread
	.def KiStartSystemThread; .scl 2; .type 32; .endef
	.p2align 4
KiStartSystemThread:                   # a new thread returns to here
	.seh_proc KiStartSystemThread
	sub rsp, 0x28
	.seh_stackalloc 0x28
	.seh_endprologue
	mov rcx, [rsp+0x30]
	mov rdx, [rsp+0x38]
	call PspSystemThreadStartup
	int3
	.seh_endproc

# A trap frame: the processor pushed ss, rsp, flags, cs, rip (and a code).
	.macro TRAP name, coded, to, vector
	.globl \name
	.def \name; .scl 2; .type 32; .endef
	.p2align 4
\name:
	.seh_proc \name
	.if \coded
	.seh_pushframe @code
	.else
	.seh_pushframe
	push 0
	.seh_stackalloc 8
	.endif
	push rbp
	.seh_pushreg rbp
	sub rsp, 0x158
	.seh_stackalloc 0x158
	lea rbp, [rsp+0x80]
	.seh_setframe rbp, 0x80
	.seh_endprologue
	mov [rbp-0x50], rax
	mov [rbp-0x48], rcx
	mov [rbp-0x40], rdx
	mov [rbp-0x38], r8
	mov [rbp-0x30], r9
	mov [rbp-0x28], r10
	mov [rbp-0x20], r11
	mov [rbp+0xc0], rbx
	mov [rbp+0xc8], rdi
	mov [rbp+0xd0], rsi
	mov rax, cr2
	mov [rbp+0x50], rax
	lea rcx, [rbp-0x80]
	mov edx, \vector
	call \to
	mov rax, [rbp-0x50]
	mov rcx, [rbp-0x48]
	mov rdx, [rbp-0x40]
	mov r8, [rbp-0x38]
	mov r9, [rbp-0x30]
	mov r10, [rbp-0x28]
	mov r11, [rbp-0x20]
	mov rbx, [rbp+0xc0]
	mov rdi, [rbp+0xc8]
	mov rsi, [rbp+0xd0]
	mov rsp, rbp
	mov rbp, [rbp+0xd8]
	add rsp, 0xe8
	iretq
	.seh_endproc
	.endm

	TRAP KiDivideErrorFault, 0, KiDispatchTrap, 0
	TRAP KiNmiInterrupt, 0, KiDispatchTrap, 2
	TRAP KiBreakpointTrap, 0, KiDispatchTrap, 3
	TRAP KiInvalidOpcodeFault, 0, KiDispatchTrap, 6
	TRAP KiDoubleFaultAbort, 1, KiDispatchTrap, 8
	TRAP KiGeneralProtectionFault, 1, KiDispatchTrap, 13
	TRAP KiPageFault, 1, KiDispatchTrap, 14
	TRAP HalpClockInterrupt, 0, KeUpdateSystemTime, 0xd1

	.globl memset, memcpy
	.def memset; .scl 2; .type 32; .endef
	.p2align 4
memset:
	.seh_proc memset
	push rdi
	.seh_pushreg rdi
	.seh_endprologue
	mov rdi, rcx
	mov r9, rcx
	mov eax, edx
	mov rcx, r8
	rep stosb
	mov rax, r9
	pop rdi
	ret
	.seh_endproc
	.def memcpy; .scl 2; .type 32; .endef
	.p2align 4
memcpy:
	.seh_proc memcpy
	push rdi
	.seh_pushreg rdi
	push rsi
	.seh_pushreg rsi
	.seh_endprologue
	mov rdi, rcx
	mov rsi, rdx
	mov rax, rcx
	mov rcx, r8
	rep movsb
	pop rsi
	pop rdi
	ret
	.seh_endproc
