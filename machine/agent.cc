// Channels become socketpairs: one end to the multiplex, the other to an exec session.
#include "machine/agent.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <utility>

#include "base/log.h"
#include "base/sys.h"

namespace anchorhold::machine {
namespace {

Result<OwnFd> child_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    OwnFd fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd.valid()) {
        return fail_errno("signalfd", "SIGCHLD");
    }
    return fd;
}

}  // namespace

Agent::Agent(EventLoop& loop, OwnFd port, exec::Launcher& launcher, OwnFd children)
    : loop_(loop),
      children_(std::move(children)),
      server_(loop, launcher),
      bridge_(loop, std::move(port), MuxSide::kAgent,
              MuxBridge::Handlers{.power_off = [this] { loop_.stop(); },
                                  .opened = [this](ChannelId channel) { serve(channel); },
                                  .lost =
                                      [this](const Error& error) {
                                          lost_ = error;
                                          loop_.stop();
                                      },
                                  .channel_closed = [] {}}) {}

Agent::~Agent() {
    loop_.remove(children_.get());
}

Result<std::unique_ptr<Agent>> Agent::start(EventLoop& loop, OwnFd port, exec::Launcher& launcher,
                                            const Greeting& greeting) {
    OwnFd children = ANCHORHOLD_TRY(child_signals());
    std::unique_ptr<Agent> agent(new Agent(loop, std::move(port), launcher, std::move(children)));
    ANCHORHOLD_TRY(loop.add(agent->children_.get(), EPOLLIN,
                            [self = agent.get()](uint32_t) { self->reap(); }));
    agent->bridge_.hello(greeting.build_id, greeting.kvm_usable);
    ANCHORHOLD_TRY(agent->bridge_.start());
    return agent;
}

void Agent::serve(ChannelId channel) {
    auto pair = sys::socket_pair(SOCK_STREAM | SOCK_NONBLOCK);
    if (!pair) {
        log::warning("channel {}: {}", channel, pair.error().message);
        bridge_.refuse(channel);
        return;
    }
    if (const Status attached = bridge_.attach(channel, std::move(pair->first)); !attached) {
        log::warning("channel {}: {}", channel, attached.error().message);
        return;
    }
    server_.serve(std::move(pair->second));
}

void Agent::reap() {
    signalfd_siginfo ignored{};
    while (sys::read_some(children_.get(), std::as_writable_bytes(std::span(&ignored, 1)))
               .value_or(std::nullopt)
               .has_value()) {
    }
    // One signal may stand for many children. Look first: the end of a command belongs to its
    // session.
    for (;;) {
        siginfo_t info{};
        if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0) {
            return;
        }
        if (!server_.collect(info.si_pid)) {
            ::waitpid(info.si_pid, nullptr, WNOHANG);
        }
    }
}

}  // namespace anchorhold::machine
