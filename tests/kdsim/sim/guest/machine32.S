# What C cannot say on x86: trap entries, the switch of threads, service traps.
	.intel_syntax noprefix
	.text

	.macro FUNCTION name
	.globl _\name
	.def _\name; .scl 2; .type 32; .endef
	.p2align 4
_\name:
	.endm

	FUNCTION DbgBreakPointWithStatus
	.globl _RtlpBreakWithStatusInstruction
	mov eax, [esp+4]
_RtlpBreakWithStatusInstruction:
	int3
	ret

	FUNCTION DbgBreakPoint
	int3
	ret

	FUNCTION DebugService              # (service, a, b, c, d)
	push ebp
	mov ebp, esp
	push ebx
	push edi
	mov eax, [ebp+8]
	mov ecx, [ebp+12]
	mov edx, [ebp+16]
	mov ebx, [ebp+20]
	mov edi, [ebp+24]
	int 0x2d
	int3
	pop edi
	pop ebx
	pop ebp
	ret

	FUNCTION KiSwapContext             # (old, new)
#ifdef DWARF
	.cfi_startproc
#else
	.cv_fpo_proc _KiSwapContext 8
#endif
	sub esp, 16
#ifdef DWARF
	.cfi_adjust_cfa_offset 16
#else
	.cv_fpo_stackalloc 16
	.cv_fpo_endprologue
#endif
	mov [esp+12], ebx
	mov [esp+8], esi
	mov [esp+4], edi
	mov [esp], ebp
#ifdef DWARF
	.cfi_offset ebx, -8
	.cfi_offset esi, -12
	.cfi_offset edi, -16
	.cfi_offset ebp, -20
#endif
	mov edi, [esp+20]
	mov esi, [esp+24]
	call _SwapContext
	mov ebp, [esp]
	mov edi, [esp+4]
	mov esi, [esp+8]
	mov ebx, [esp+12]
	add esp, 16
#ifdef DWARF
	.cfi_adjust_cfa_offset -16
#endif
	ret
#ifdef DWARF
	.cfi_endproc
#else
	.cv_fpo_endproc
#endif

	FUNCTION KiStartSystemThread       # a new thread returns to here
	xor ebp, ebp
	mov eax, [esp+4]
	mov ecx, [esp+8]
	push ecx
	push eax
	call _PspSystemThreadStartup
	int3

# A trap frame: the processor pushed flags, cs, eip (and a code).
	.macro TRAP name, coded, to, vector
	FUNCTION \name
	.if \coded == 0
	push 0
	.endif
	push ebp
	push ebx
	push esi
	push edi
	sub esp, 0x54
	mov ebp, esp
	mov [ebp+0x44], eax
	mov [ebp+0x40], ecx
	mov [ebp+0x3c], edx
	mov eax, [ebp+0x60]
	mov [ebp], eax                     # DbgEbp and DbgEip: a frame for whoever walks the stack
	mov eax, [ebp+0x68]
	mov [ebp+4], eax
	cld
	push \vector
	push ebp
	call _\to
	mov eax, [ebp+0x44]
	mov ecx, [ebp+0x40]
	mov edx, [ebp+0x3c]
	lea esp, [ebp+0x54]
	pop edi
	pop esi
	pop ebx
	pop ebp
	add esp, 4
	iretd
	.endm

	TRAP KiDivideErrorFault, 0, KiDispatchTrap, 0
	TRAP KiNmiInterrupt, 0, KiDispatchTrap, 2
	TRAP KiBreakpointTrap, 0, KiDispatchTrap, 3
	TRAP KiInvalidOpcodeFault, 0, KiDispatchTrap, 6
	TRAP KiDoubleFaultAbort, 1, KiDispatchTrap, 8
	TRAP KiGeneralProtectionFault, 1, KiDispatchTrap, 13
	TRAP KiPageFault, 1, KiDispatchTrap, 14
	TRAP HalpClockInterrupt, 0, KeUpdateSystemTime, 0xd1

	FUNCTION memset
	push edi
	mov edi, [esp+8]
	mov eax, [esp+12]
	mov ecx, [esp+16]
	rep stosb
	mov eax, [esp+8]
	pop edi
	ret

	FUNCTION memcpy
	push edi
	push esi
	mov edi, [esp+12]
	mov esi, [esp+16]
	mov ecx, [esp+20]
	mov eax, edi
	rep movsb
	pop esi
	pop edi
	ret
