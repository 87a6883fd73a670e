// From the PVH entry (32-bit protected mode, %ebx = start info) to 64-bit code over an identity map
// of 4 GiB, and the exceptions' way to on_exception().
#include <cstddef>
#include <cstdint>

asm(R"(
    .pushsection .note.pvh, "a", @note
    .balign 4
    .long 4, 4, 18          # XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .long enter
    .popsection

    .pushsection .text.enter, "ax", @progbits
    .code32
    .globl enter
enter:
    cli
    movl $directories, %esi
    movl $0x83, %eax         # present, writable, 2 MiB
    movl $2048, %ecx
1:  movl %eax, (%esi)
    movl $0, 4(%esi)
    addl $0x200000, %eax
    addl $8, %esi
    decl %ecx
    jnz 1b
    movl $directories + 3, %eax
    movl $pointers, %esi
    movl $5, %ecx            # the fifth is window()'s
2:  movl %eax, (%esi)
    addl $0x1000, %eax
    addl $8, %esi
    decl %ecx
    jnz 2b
    movl $pointers + 3, root
    movl $root, %eax
    movl %eax, %cr3
    movl %cr4, %eax
    orl $0x20, %eax          # PAE
    movl %eax, %cr4
    movl $0xc0000080, %ecx   # EFER.LME
    rdmsr
    orl $0x100, %eax
    wrmsr
    movl %cr0, %eax
    orl $0x80000000, %eax
    movl %eax, %cr0
    lgdt segments_pointer
    ljmp $8, $3f
    .code64
3:  movl $16, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl $stack_end, %esp
    movl %ebx, %edi
    call attack_as_told
4:  hlt
    jmp 4b

    .balign 8
segments:
    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
segments_pointer:
    .word 23
    .long segments

    # Vectors 8, 10 to 14, 17, 21, 29 and 30 push an error code; the others get a 0.
    .globl exception_entries
    .balign 16
exception_entries:
    .set vector, 0
    .rept 32
    .balign 16
    .if !((0x60227d00 >> vector) & 1)
    pushq $0
    .endif
    pushq $vector
    jmp exception
    .set vector, vector + 1
    .endr
exception:
    pushq %rax
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    movq %rsp, %rdi
    cld
    call on_exception
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rdi
    popq %rsi
    popq %rdx
    popq %rcx
    popq %rax
    addq $16, %rsp
    iretq
    .popsection

    .pushsection .bss
    .balign 4096
    .globl directories
root:        .skip 4096
pointers:    .skip 4096
directories: .skip 5 * 4096
    .skip 64 * 1024
stack_end:
    .popsection
)");

// What the compiler expects of any environment.
extern "C" {
void* memset(void* to, int value, size_t count) {
    void* out = to;
    asm volatile("rep stosb" : "+D"(out), "+c"(count) : "a"(value) : "memory");
    return to;
}
void* memcpy(void* to, const void* from, size_t count) {
    void* out = to;
    asm volatile("rep movsb" : "+D"(out), "+S"(from), "+c"(count) : : "memory");
    return to;
}
}
