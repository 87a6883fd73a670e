// A window between a test that is the guest and a proxy that says what the guest tells it to
// (fake_proxy.cc).
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/seqpacket.h"
#include "base/sys.h"
#include "proto/ports.h"
#include "proto/vmm_control.pb.h"
#include "supervisor/audit/audit_keys.h"
#include "supervisor/window/window.h"
#include "unit/supervisor/run_until.h"

namespace anchorhold::supervisor {

class WindowRig {
  public:
    explicit WindowRig(WindowSpec spec) {
        std::string pattern = std::filesystem::temp_directory_path() / "window-test-XXXXXX";
        folder = ::mkdtemp(pattern.data());
        ::setenv("XDG_STATE_HOME", folder.c_str(), 1);
        keys = AuditKeys::open_or_create(folder).value();
        AuditLog::Options options;
        options.folder = folder;
        log = AuditLog::open(*keys, {"box", "me", "", "5e3f", ""}, options).value();
        Installation installation;
        installation.library = FAKE_WINDOW;
        host = WindowHost::start(*loop, installation, {}, [](const auto&, const auto&) {}).value();
        window =
            Window::open(
                *loop, *host, *log, std::move(spec),
                {.on_event = [this](const proto::AuditEvent& event) { events.push_back(event); },
                 .on_question =
                     [this](const proto::Question& question) { asked.push_back(question.id()); },
                 .on_failure = [this](const std::string& why) { failure = why; }})
                .value();
        egress = window->take_egress_channel();
    }
    ~WindowRig() {
        window.reset();
        host.reset();
        log.reset();
        std::filesystem::remove_all(folder);
    }
    WindowRig(const WindowRig&) = delete;
    WindowRig& operator=(const WindowRig&) = delete;

    // The guest's end of a stream that makes the proxy send this packet; empty: that ends it.
    OwnFd say(std::string_view packet) {
        auto [ours, theirs] = sys::socket_pair(SOCK_STREAM).value();
        proto::GuestStream stream;
        stream.set_host_port(proto::kEgressPort);
        const int fd = theirs.get();
        EXPECT_TRUE(send_packet(egress.get(), stream.SerializeAsString(), std::span(&fd, 1)));
        EXPECT_TRUE(sys::write_all(ours.get(), packet));
        ::shutdown(ours.get(), SHUT_WR);
        return std::move(ours);
    }
    OwnFd say(const proto::ProxyReport& report) {
        return say(std::string_view(report.SerializeAsString()));
    }
    void run_until(const std::function<bool()>& condition) {
        ASSERT_TRUE(supervisor::run_until(*loop, condition));
    }
    [[nodiscard]] size_t changes(const std::string& beginning) const {
        return static_cast<size_t>(
            std::ranges::count_if(events, [&](const proto::AuditEvent& event) {
                return event.proxy().change().starts_with(beginning);
            }));
    }
    std::string folder;
    std::optional<AuditKeys> keys;
    std::unique_ptr<AuditLog> log;
    std::unique_ptr<EventLoop> loop = EventLoop::create().value();
    std::unique_ptr<WindowHost> host;
    std::unique_ptr<Window> window;
    OwnFd egress;
    std::vector<proto::AuditEvent> events;
    std::vector<uint64_t> asked;
    std::string failure;
};

}  // namespace anchorhold::supervisor
