// Prepare, enter the empty namespaces, then receive and fork.
#include "proxy/zygote.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <ctime>

#include "base/log.h"
#include "base/seqpacket.h"
#include "base/sys.h"
#include "proto/frame.h"
#include "proto/proxy_control.pb.h"
#include "proxy/jail.h"
#include "proxy/sandbox_proxy.h"
#include "proxy/tls/record_buffers.h"
#include "proxy/tls/rehearsal.h"
#include "proxy/tls/upstream_tls.h"

// From the linker: where the program's first segment begins and its code ends.
extern "C" const char __executable_start;
extern "C" const char __etext;

namespace anchorhold::proxy {
namespace {

// The program's own pages, so that what a proxy touches of them is shared with the zygote.
// Best effort: Linux 5.14.
void map_program() {
    const auto begin = reinterpret_cast<uintptr_t>(&__executable_start);
    const auto end = reinterpret_cast<uintptr_t>(&__etext);
    ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_POPULATE_READ);
}

// What every proxy would load for itself otherwise.
Result<OwnStore> warm_up() {
    ANCHORHOLD_TRY(sys::raise_descriptor_limit());
    // Checking a certificate's dates asks for the time zone, and a proxy can open no file.
    ::setenv("TZ", "UTC0", 1);
    ::tzset();
    keep_record_buffers();
    OPENSSL_init_ssl(0, nullptr);
    OwnStore trust = ANCHORHOLD_TRY(system_trust_store());
    ANCHORHOLD_TRY(rehearse_tls(trust.get()));
    map_program();
    return trust;
}

Result<ProxyDescriptors> take_descriptors(const proto::ForkProxy& request,
                                          std::vector<OwnFd>& fds) {
    const std::array<uint32_t, 4> indices = {request.control_fd(), request.streams_fd(),
                                             request.dialer_fd(), request.setup_fd()};
    std::array<OwnFd, 4> taken;
    for (size_t i = 0; i < indices.size(); ++i) {
        if (indices[i] >= fds.size() || !fds[indices[i]].valid()) {
            return fail("a descriptor is missing");
        }
        taken[i] = std::move(fds[indices[i]]);
    }
    return ProxyDescriptors{std::move(taken[0]), std::move(taken[1]), std::move(taken[2]),
                            std::move(taken[3])};
}

// In the parent: the answer. In the child: nullopt after the proxy ended, with its status.
struct Forked {
    pid_t pid = 0;
    int child_status = 0;
};

Forked fork_proxy(ProxyDescriptors descriptors, OwnFd& control, X509_STORE* trust) {
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid != 0) {
        return {pid, 0};
    }
    control.reset();
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) {
        return {0, 1};
    }
    return {0, run_proxy(std::move(descriptors), trust)};
}

}  // namespace

int run_zygote(OwnFd control) {
    const auto trust = warm_up();
    if (!trust) {
        log::error("{}", trust.error().message);
        return 1;
    }
    if (const Status entered = enter_empty_namespaces(); !entered) {
        log::error("{}", entered.error().message);
        return 1;
    }
    ::signal(SIGCHLD, SIG_IGN);  // proxies are reaped by nobody; the supervisor holds their pidfds
    for (;;) {
        auto packet = receive_packet(control.get());
        if (!packet || !*packet || (*packet)->bytes.empty()) {
            return packet ? 0 : 1;
        }
        const auto request = proto::parse<proto::ForkProxy>((*packet)->bytes, "the request");
        proto::ProxyForked answer;
        OwnFd pidfd;
        auto descriptors = request ? take_descriptors(*request, (*packet)->fds)
                                   : Result<ProxyDescriptors>(fail(request.error().message));
        if (descriptors) {
            answer.set_sandbox(request->sandbox());
            const Forked forked = fork_proxy(std::move(*descriptors), control, trust->get());
            if (forked.pid == 0) {
                return forked.child_status;
            }
            auto opened =
                forked.pid > 0 ? sys::pidfd_open(forked.pid) : Result<OwnFd>(fail_errno("fork"));
            answer.set_pid(forked.pid);
            if (opened) {
                pidfd = std::move(*opened);
            } else {
                answer.set_error(opened.error().message);
            }
        } else {
            answer.set_error(descriptors.error().message);
        }
        const int fd = pidfd.get();
        const Status sent = send_packet(control.get(), answer.SerializeAsString(),
                                        pidfd.valid() ? std::span(&fd, 1) : std::span<const int>());
        if (!sent) {
            return 1;
        }
    }
}

}  // namespace anchorhold::proxy
