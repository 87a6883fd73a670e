// A program that plays the VMM's side of proto/vmm_control.proto by a script: the text of its
// initrd, a word or two a line.
#include <fcntl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <functional>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "base/lock_down.h"
#include "base/seqpacket.h"
#include "base/sys.h"
#include "proto/frame.h"
#include "proto/guest_control.pb.h"
#include "proto/ports.h"
#include "proto/vmm_control.pb.h"

namespace anchorhold {
namespace {

constexpr int kControl = 3;

// The first process of a PID namespace does not die by its own signals: by the kernel's it does.
void die_by(int number) {
    constexpr AllowedCall kNothing[] = {{SYS_exit_group, "an example"}};
    const bool ready = number == SIGSYS
                           ? give_up_privileges() && install_filter(kNothing)
                           : ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0;  // SIGKILL
    if (ready) {
        ::syscall(SYS_getpid);
    }
}

class FakeVmm {
  public:
    // Reads Configure and with it the script.
    bool configure() {
        auto packet = receive_packet(kControl);
        if (!packet || !packet->has_value()) {
            return false;
        }
        proto::VmmCommand command;
        if (!command.ParseFromString((*packet)->bytes) || !command.has_configure()) {
            return false;
        }
        configure_ = command.configure();
        fds_ = std::move((*packet)->fds);
        std::string text(static_cast<size_t>(::lseek(initrd(), 0, SEEK_END)), '\0');
        script_.str(
            sys::read_exact_at(initrd(), std::as_writable_bytes(std::span(text)), 0, "script")
                ? text
                : "exit 99");
        return true;
    }

    void play() {
        for (std::string line; std::getline(script_, line);) {
            const size_t space = line.find(' ');
            const std::string word = line.substr(0, space);
            const auto found = words_.find(word);
            if (found == words_.end()) {
                std::exit(98);  // NOLINT(concurrency-mt-unsafe)
            }
            found->second(space == std::string::npos ? "" : line.substr(space + 1));
        }
    }

  private:
    [[nodiscard]] int initrd() const { return fds_.at(configure_.initrd_fd()).get(); }
    [[nodiscard]] int stream_channel() const {
        return fds_.at(configure_.stream_channels(0).fd()).get();
    }

    static void send(const proto::VmmEvent& event, std::span<const int> fds = {}) {
        [[maybe_unused]] const Status sent = send_packet(kControl, event.SerializeAsString(), fds);
    }
    // What our own send_packet refuses to send.
    static void send_raw(const std::string& bytes) {
        ::send(kControl, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    }

    static void say(const std::string& text) {
        proto::VmmEvent event;
        event.mutable_console()->set_data(text);
        send(event);
    }

    static void started() {
        proto::VmmEvent event;
        event.mutable_started()->set_main_ns(1000);
        event.mutable_started()->set_run_ns(2000);
        event.mutable_started()->set_host_tsc(100);
        event.mutable_started()->set_tsc_khz(1'000'000);
        send(event);
    }

    // "REASON detail", with \n in the detail for a newline of the console tail after "|".
    static void ended(const std::string& text) {
        const size_t bar = std::min(text.find('|'), text.size());
        const size_t space = std::min(text.find(' '), bar);
        const std::string name = text.substr(0, space);
        const std::string detail =
            text.substr(std::min(space + 1, bar), bar - std::min(space + 1, bar));
        std::string tail = text.substr(std::min(bar + 1, text.size()));
        proto::Ended::Reason reason = proto::Ended::UNKNOWN;
        proto::Ended::Reason_Parse(name, &reason);
        proto::VmmEvent event;
        event.mutable_ended()->set_reason(reason);
        event.mutable_ended()->set_detail(detail);
        for (size_t at = tail.find("\\n"); at != std::string::npos; at = tail.find("\\n")) {
            tail.replace(at, 2, "\n");
        }
        event.mutable_ended()->set_console_tail(tail);
        send(event);
    }

    void describe_configure() const {
        std::ostringstream text;
        text << "cpus=" << configure_.vcpus() << " memory=" << configure_.memory_bytes()
             << " console=" << configure_.console() << " fds=" << fds_.size();
        for (const proto::Block& block : configure_.blocks()) {
            const bool writable =
                (::fcntl(fds_.at(block.fd()).get(), F_GETFL) & O_ACCMODE) == O_RDWR;
            text << " " << block.id() << (block.read_only() ? ":ro" : ":rw")
                 << (writable ? ":rw" : ":ro");
        }
        for (const proto::StreamChannel& channel : configure_.stream_channels()) {
            text << " port=" << channel.ports(0);
        }
        say(text.str());
    }

    // Opens a connection "from the guest"; what comes after is written on it.
    void stream(const std::string& kind) {
        auto [ours, theirs] =
            sys::socket_pair(kind == "seqpacket" ? SOCK_SEQPACKET : SOCK_STREAM).value();
        proto::GuestStream opened;
        opened.set_guest_port(5000);
        opened.set_host_port(proto::kReadyPort);
        const int inherited_stderr = 2;
        const int fd = kind == "stderr" ? inherited_stderr : theirs.get();
        const std::array<int, 2> fds = {fd, fd};
        const size_t count = kind == "none" ? 0 : kind == "two" ? 2 : 1;
        const std::string bytes = kind == "garbage" ? "\xff\xff" : opened.SerializeAsString();
        [[maybe_unused]] const Status sent =
            send_packet(stream_channel(), bytes, std::span(fds).first(count));
        stream_ = std::move(ours);
    }

    void ready(uint32_t version, const std::string& warning) {
        proto::Ready message;
        message.set_protocol_version(version);
        message.set_tsc_init_started(600);
        message.set_tsc_ready(1100);
        if (!warning.empty()) {
            message.add_warnings(warning);
        }
        std::string frame;
        proto::append_frame(frame, message);
        for (const char& byte : frame) {  // a byte at a time: the reader has to put it together
            [[maybe_unused]] const Status sent =
                sys::write_all(stream_.get(), std::string_view(&byte, 1));
        }
    }

    void write_stream(std::string_view bytes) const {
        [[maybe_unused]] const Status sent = sys::write_all(stream_.get(), bytes);
    }

    // Answers commands until the supervisor goes away.
    static void serve() {
        for (;;) {
            auto packet = receive_packet(kControl);
            if (!packet || !packet->has_value() || (*packet)->bytes.empty()) {
                std::exit(0);  // NOLINT(concurrency-mt-unsafe)
            }
            proto::VmmCommand command;
            if (!command.ParseFromString((*packet)->bytes)) {
                std::exit(97);  // NOLINT(concurrency-mt-unsafe)
            }
            if (command.has_connect()) {
                const OwnFd& fd = (*packet)->fds.at(command.connect().stream_fd());
                std::string answer = "port " + std::to_string(command.connect().port());
                if (command.connect().port() == proto::kControlPort) {
                    answer.clear();  // init did what it was asked
                    proto::append_frame(answer, proto::ControlAnswer());
                }
                [[maybe_unused]] const Status sent = sys::write_all(fd.get(), answer);
            } else if (command.has_run()) {
                proto::VmmEvent event;
                event.mutable_running();
                send(event);
            } else if (command.has_pause()) {
                proto::VmmEvent event;
                event.mutable_paused();
                send(event);
            } else if (command.has_get_statistics()) {
                proto::VmmEvent event;
                event.mutable_statistics()->set_open_streams(7);
                send(event);
            }
        }
    }

    [[noreturn]] static void stay() {
        for (;;) {
            ::pause();
        }
    }

    proto::Configure configure_;
    std::vector<OwnFd> fds_;
    std::istringstream script_;
    OwnFd stream_;
    const std::map<std::string, std::function<void(const std::string&)>> words_ = {
        {"started", [](const std::string&) { started(); }},
        {"ended", [](const std::string& text) { ended(text); }},
        {"say", [](const std::string& text) { say(text); }},
        {"configure", [this](const std::string&) { describe_configure(); }},
        {"backend",
         [](const std::string& text) {
             proto::VmmEvent event;
             event.mutable_backend_failed()->set_device("block vdb");
             event.mutable_backend_failed()->set_detail(text);
             send(event);
         }},
        {"unset", [](const std::string&) { send_raw(std::string("\xf8\x07\x01", 3)); }},
        {"garbage", [](const std::string&) { send_raw("\xff\xff\xff"); }},
        {"oversize", [](const std::string&) { send_raw(std::string(kMaxPacketSize + 1, 'x')); }},
        {"descriptor",
         [](const std::string&) {
             proto::VmmEvent event;
             event.mutable_started();
             const int fd = 0;
             send(event, {&fd, 1});
         }},
        {"close-control", [](const std::string&) { ::close(kControl); }},
        {"stream", [this](const std::string& kind) { stream(kind); }},
        {"ready", [this](const std::string& warning) { ready(proto::kProtocolVersion, warning); }},
        {"version",
         [this](const std::string& text) { ready(static_cast<uint32_t>(std::stoul(text)), ""); }},
        {"frame-oversize",
         [this](const std::string&) { write_stream(std::string_view("\x01\x10\0\0", 4)); }},
        {"frame-garbage",
         [this](const std::string&) { write_stream(std::string_view("\x01\0\0\0\xff", 5)); }},
        {"frame-cut",
         [this](const std::string&) { write_stream(std::string_view("\x05\0\0\0\x08", 5)); }},
        {"hang-up", [this](const std::string&) { stream_.reset(); }},
        {"await",
         [](const std::string&) {
             [[maybe_unused]] const auto command = receive_packet(kControl);
         }},
        {"serve", [](const std::string&) { serve(); }},
        {"stay", [](const std::string&) { stay(); }},
        {"signal", [](const std::string& number) { die_by(std::stoi(number)); }},
        {"exit",
         [](const std::string& code) {
             std::exit(std::stoi(code));
         }},  // NOLINT(concurrency-mt-unsafe)
    };
};

}  // namespace
}  // namespace anchorhold

int main() {
    ::signal(SIGPIPE, SIG_IGN);  // the supervisor closes what it does not want
    anchorhold::FakeVmm vmm;
    if (!vmm.configure()) {
        return 96;
    }
    vmm.play();
    return 0;
}
