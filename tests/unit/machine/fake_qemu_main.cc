// A machine without QEMU: descriptor 3 is the multiplex. Usage: machine_fake_qemu serve BUILD_ID |
// deaf BUILD_ID TEXT | fail TEXT | silent | garbage
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <string_view>

#include "base/sys.h"
#include "exec/plain_launcher.h"
#include "machine/agent.h"
#include "machine/mux.h"

namespace anchorhold::machine {
namespace {

constexpr int kMux = 3;

int serve(const char* build_id) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    exec::PlainLauncher launcher;
    const auto loop = EventLoop::create().value();
    if (!sys::set_nonblocking(kMux)) {
        return 1;
    }
    const auto agent = Agent::start(*loop, OwnFd(kMux), launcher, Greeting{build_id, true});
    return agent && loop->run() ? 0 : 1;
}

// Says hello, hangs up at the first thing it is sent, and goes on running until SIGTERM.
int deafen(const char* build_id, const char* text) {
    struct Ignored : MuxEvents {
        void on_hello(const proto::MuxHello&) override {}
        void on_power_off() override {}
        void on_open(ChannelId) override {}
        void on_data(ChannelId, std::string_view) override {}
        void on_end(ChannelId) override {}
        void on_reset(ChannelId) override {}
        void on_room(ChannelId) override {}
    } ignored;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);
    Mux mux(MuxSide::kAgent, ignored);
    mux.hello(build_id, true);
    std::string hello;
    mux.produce(hello, 1);
    std::byte first[1];
    if (!sys::write_all(kMux, hello) || !sys::read_some(kMux, first)) {
        return 1;
    }
    ::close(kMux);
    int number = 0;
    ::sigwait(&signals, &number);
    std::fprintf(stderr, "%s\n", text);
    return 5;
}

}  // namespace
}  // namespace anchorhold::machine

int main(int argc, char** argv) {
    using namespace anchorhold;
    const std::string_view role = argc > 1 ? argv[1] : "";
    if (role == "serve") {
        return machine::serve(argv[2]);
    }
    if (role == "deaf") {
        return machine::deafen(argv[2], argv[3]);
    }
    if (role == "fail") {
        std::fprintf(stderr, "%s\n", argv[2]);
        return 3;
    }
    if (role == "garbage" && !sys::write_all(machine::kMux, std::string_view("\xff\xff\xff\xff"))) {
        return 4;
    }
    ::pause();
    return 0;
}
