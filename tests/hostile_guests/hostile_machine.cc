// The supervisor's part, played by the test.
#include "hostile_guests/hostile_machine.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "base/seqpacket.h"
#include "base/sys.h"
#include "vm/anchorhold.h"

namespace anchorhold::vm_test {
namespace {

// As vsock_attacks.cc knows them.
constexpr uint32_t kSilentPort = 5000;
constexpr uint32_t kTalkingPort = 5001;
constexpr char kFill = 'd';

OwnFd file_of(const char* name, const std::string& bytes) {
    OwnFd file = sys::memfd(name, 0).value();
    EXPECT_TRUE(sys::write_all(file.get(), std::string_view(bytes)));
    return file;
}

}  // namespace

std::string hostile_kernel_path() {
    return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "vm_hostile_kernel";
}

HostileMachine::HostileMachine(const std::string& attacks)
    : loop_(EventLoop::create().value()),
      read_only_disk_(file_of("read-only", std::string(kDisk, kFill))),
      disk_(file_of("disk", std::string(kDisk, kFill))) {
    const OwnFd kvm = sys::open("/dev/kvm", O_RDWR).value();
    const OwnFd kernel = sys::open(hostile_kernel_path(), O_RDONLY).value();
    const OwnFd orders = file_of("orders", attacks);
    auto [ours, theirs] = sys::socket_pair(SOCK_SEQPACKET | SOCK_NONBLOCK).value();
    streams_ = std::move(ours);
    EXPECT_TRUE(loop_->add(streams_.get(), EPOLLIN, [this](uint32_t) { accept_streams(); }));

    proto::VmmCommand command;
    proto::Configure& configure = *command.mutable_configure();
    configure.set_vcpus(1);
    configure.set_memory_bytes(kMemory);
    configure.set_console(true);
    configure.set_kvm_fd(0);
    configure.set_kernel_fd(1);
    configure.set_initrd_fd(2);
    configure.add_blocks()->set_fd(3);
    configure.mutable_blocks(0)->set_read_only(true);
    configure.add_blocks()->set_fd(4);
    configure.add_stream_channels()->set_fd(5);
    configure.mutable_stream_channels(0)->add_ports(kSilentPort);
    configure.mutable_stream_channels(0)->add_ports(kTalkingPort);
    const int fds[] = {kvm.get(),   kernel.get(), orders.get(), read_only_disk_.get(),
                       disk_.get(), theirs.get()};
    vmm_ = supervisor::VmmProcess::start(*loop_, library_path() + "/anchorhold-vmm", command, fds,
                                         {[this](const proto::VmmEvent& event) { hear(event); },
                                          [this](const std::string& how) {
                                              process_end_ = how;
                                              over_ = true;
                                          }})
               .value();
}

bool HostileMachine::run(const std::string& mark) {
    mark_ = mark;
    const TimePoint until = steady_clock().now() + kPatience;
    while (!over_) {
        const TimePoint now = steady_clock().now();
        if (now >= until || !loop_->run_once(until - now)) {
            vmm_->kill();
            return false;
        }
        look_at_memory();
    }
    return true;
}

void HostileMachine::hear(const proto::VmmEvent& event) {
    if (event.has_console()) {
        said_ += event.console().data();
        if (said_.find("\ndone\n") != std::string::npos ||
            (!mark_.empty() && said_.find(mark_) != std::string::npos)) {
            ask_for_statistics();
        }
    } else if (event.has_statistics()) {
        statistics_ = event.statistics();
        if (mark_.empty()) {
            proto::VmmCommand command;  // which the hostile kernel takes for "end"
            command.mutable_set_balloon()->set_target_bytes(4096);
            EXPECT_TRUE(vmm_->send(command));
        } else {
            vmm_->kill();
        }
    } else if (event.has_ended()) {
        ended_ = event.ended();
        said_ += "\n" + ended_->console_tail();
    }
}

void HostileMachine::ask_for_statistics() {
    if (!std::exchange(asked_, true)) {
        proto::VmmCommand command;
        command.mutable_get_statistics();
        EXPECT_TRUE(vmm_->send(command));
    }
}

void HostileMachine::accept_streams() {
    for (;;) {
        auto packet = receive_packet(streams_.get());
        if (!packet || !*packet || (*packet)->bytes.empty()) {
            if (packet && *packet) {
                loop_->remove(streams_.get());
            }
            return;
        }
        proto::GuestStream stream;
        EXPECT_TRUE(stream.ParseFromString((*packet)->bytes));
        ASSERT_EQ((*packet)->fds.size(), 1U);
        if (stream.host_port() == kTalkingPort) {
            const std::string much(256 * 1024, 'm');
            static_cast<void>(::send((*packet)->fds[0].get(), much.data(), much.size(),
                                     MSG_DONTWAIT | MSG_NOSIGNAL));
        }
        accepted_.push_back(std::move((*packet)->fds[0]));
        look_at_memory();
    }
}

void HostileMachine::look_at_memory() {
    std::istringstream lines(
        sys::read_file("/proc/" + std::to_string(vmm_->pid()) + "/status").value_or(""));
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("RssAnon:")) {
            most_memory_ = std::max<uint64_t>(most_memory_, std::strtoull(&line[8], nullptr, 10));
        }
    }
}

bool HostileMachine::read_only_disk_is_whole() const {
    std::string bytes(kDisk, '\0');
    return sys::read_exact_at(read_only_disk_.get(), std::as_writable_bytes(std::span(bytes)), 0,
                              "disk")
               .has_value() &&
           bytes == std::string(kDisk, kFill) &&
           sys::file_size(read_only_disk_.get(), "disk").value_or(0) == kDisk;
}

uint64_t HostileMachine::disk_bytes() const {
    return sys::file_size(disk_.get(), "disk").value_or(0);
}

}  // namespace anchorhold::vm_test
