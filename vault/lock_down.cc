// A rehearsal, then a table.
#include "vault/lock_down.h"

#include <openssl/crypto.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "base/lock_down.h"
#include "vault/file_cipher.h"

namespace anchorhold::vault {
namespace {

constexpr AllowedCall kAllowed[] = {
    {SYS_read, "the key"},
    {SYS_preadv2, "the source"},
    {SYS_pwritev2, "the target"},
    {SYS_ftruncate, "the target's size"},
    {SYS_lseek, "where the source has data"},
    {SYS_fstat, "sizes"},
    {SYS_newfstatat, "the same, by libc"},
    {SYS_close, "what is done with"},
    {SYS_getrandom, "the salt"},
    {SYS_mmap, "memory, never executable"},
    {SYS_munmap, "the same"},
    {SYS_mremap, "the same"},
    {SYS_mprotect, "the same"},
    {SYS_madvise, "giving memory back"},
    {SYS_brk, "the heap"},
    {SYS_futex, "OpenSSL's locks"},
    {SYS_write, "a last word on stderr"},
    {SYS_writev, "the same"},
    {SYS_rt_sigprocmask, "aborting"},
    {SYS_rt_sigaction, "the same"},
    {SYS_gettid, "the same"},
    {SYS_getpid, "the same, and OpenSSL's fork check"},
    {SYS_tgkill, "the same"},
    {SYS_rt_sigreturn, "returning from a signal"},
    {SYS_restart_syscall, "after SIGSTOP and SIGCONT"},
    {SYS_clock_gettime, "where the vDSO cannot"},
    {SYS_exit, "the end"},
    {SYS_exit_group, "the end"},
};

// Everything that a file needs, once.
Status rehearse() {
    // The host's openssl.cnf has no say here.
    if (::OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, nullptr) != 1) {
        return fail("OPENSSL_init_crypto failed");
    }
    const Key key(std::array<uint8_t, kKeyBytes>{});
    const Context context;
    FileCipher sealing(key, context, FileCipher::random_salt());
    auto opening = ANCHORHOLD_TRY(FileCipher::open(sealing.header(), key, context));
    std::array<std::byte, 100> plain{};
    std::array<std::byte, 100 + kTagBytes> sealed{};
    sealing.seal(0, Last::kYes, plain, sealed);
    return opening.open_chunk(0, Last::kYes, sealed, plain)
               ? Status()
               : Status(fail("AES-256-GCM does not open what it sealed"));
}

Status lock_memory() {
    rlimit allowed{};
    if (::getrlimit(RLIMIT_MEMLOCK, &allowed) < 0) {
        return fail_errno("getrlimit", "RLIMIT_MEMLOCK");
    }
    if (allowed.rlim_cur == RLIM_INFINITY &&
        ::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0) {
        return fail_errno("mlockall");
    }
    return {};
}

}  // namespace

Status lock_down() {
    ANCHORHOLD_TRY(rehearse());
    ANCHORHOLD_TRY(lock_memory());
    ANCHORHOLD_TRY(give_up_privileges());
    return install_filter(kAllowed);
}

}  // namespace anchorhold::vault
