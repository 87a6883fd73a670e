// Takes every TCP connection that is not to loopback itself to one listening socket, whatever its
// destination: BPF_PROG_TYPE_SK_LOOKUP (Documentation/bpf/prog_sk_lookup.rst).
#pragma once

#include <linux/bpf.h>

#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace anchorhold::guest_init {

// While it lives, new TCP connections in the network namespace it was attached in go to the
// listener, except those to 127.0.0.0/8, ::1 and kOwnAddress, which find the agent's own servers.
// getsockname(2) of an accepted connection is the destination that was asked for. Undone only by
// whoever holds these descriptors or may use bpf(2).
class Steering {
  public:
    // `listener` is a listening AF_INET6 TCP socket that takes IPv4 too. Needs CAP_NET_ADMIN and
    // CAP_BPF, and /proc. Where the listener ends later, such connections are refused.
    static Result<Steering> attach(int listener);

  private:
    Steering(OwnFd map, OwnFd link) : map_(std::move(map)), link_(std::move(link)) {}

    OwnFd map_;
    OwnFd link_;  // keeps the program too
};

// The program, for a socket map behind descriptor `map` whose entry 0 is the listener.
[[nodiscard]] std::vector<bpf_insn> steering_program(int map);

}  // namespace anchorhold::guest_init
