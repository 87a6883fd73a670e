// signalfd in, ExecClient out.
#include "cli/foreground.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include "base/sys.h"

namespace anchorhold::cli {
namespace {

constexpr int kForwarded[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};

sigset_t handled_signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int number : kForwarded) {
        sigaddset(&set, number);
    }
    sigaddset(&set, SIGWINCH);
    sigaddset(&set, SIGCONT);
    return set;
}

bool asks_to_stop(int number) {
    return number == SIGINT || number == SIGTERM || number == SIGHUP;
}

}  // namespace

Result<std::unique_ptr<Foreground>> Foreground::create(EventLoop& loop, Options options) {
    std::unique_ptr<Foreground> made(new Foreground(loop, std::move(options)));
    ::signal(SIGPIPE, SIG_IGN);
    const sigset_t handled = handled_signals();
    ::sigprocmask(SIG_BLOCK, &handled, nullptr);
    made->signals_.reset(::signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!made->signals_.valid()) {
        return fail_errno("signalfd");
    }
    Foreground* self = made.get();
    ANCHORHOLD_TRY(loop.add(made->signals_.get(), EPOLLIN, [self](uint32_t) { self->receive(); }));
    if (made->options_.terminal) {
        made->raw_ = ANCHORHOLD_TRY(RawTerminal::enter(0));
    }
    return made;
}

Foreground::~Foreground() {
    loop_.remove(signals_.get());
    raw_.reset();
    const sigset_t handled = handled_signals();
    ::sigprocmask(SIG_UNBLOCK, &handled, nullptr);
}

void Foreground::attach(exec::ExecClient* client) {
    client_ = client;
    if (stop_signal_ != 0) {
        client_->signal(stop_signal_);
    }
}

void Foreground::receive() {
    signalfd_siginfo info{};
    for (;;) {
        const auto count =
            sys::read_some(signals_.get(), std::as_writable_bytes(std::span(&info, size_t{1})));
        if (!count || count->value_or(0) != sizeof info) {
            return;
        }
        handle(static_cast<int>(info.ssi_signo));
    }
}

void Foreground::handle(int number) {
    if (number == SIGWINCH) {
        if (client_ != nullptr && options_.terminal) {
            const TerminalSize size = terminal_size(0);
            client_->resize(size.rows, size.columns);
        }
        return;
    }
    if (number == SIGCONT) {
        if (raw_) {
            raw_->enter_again();
        }
        return;
    }
    if (asks_to_stop(number)) {
        if (stop_signal_ != 0) {
            options_.on_insist();
            return;
        }
        stop_signal_ = number;
    }
    if (client_ != nullptr) {
        client_->signal(number);
    }
}

}  // namespace anchorhold::cli
