// A guest that is hostile from its first instruction: the only program of its initial RAM disk, as
// PID 1 with every capability. It does on vsock what no honest init does, writes down what became
// of it, sends that through the window as any request, and resets the machine.
#include <linux/reboot.h>
#include <linux/vm_sockets.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "base/fd.h"
#include "proto/egress.pb.h"
#include "proto/frame.h"
#include "proto/ports.h"

namespace {

using namespace anchorhold;
using namespace std::string_literals;

constexpr const char* kHost = "report.example.com";
constexpr size_t kFlood = 1500;

OwnFd connect_to(uint32_t cid, uint32_t port) {
    OwnFd socket(::socket(AF_VSOCK, SOCK_STREAM, 0));
    const timeval patience{20, 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_vm address{};
    address.svm_family = AF_VSOCK;
    address.svm_cid = cid;
    address.svm_port = port;
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
        socket.reset();
    }
    return socket;
}

void send_all(int socket, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t count = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (count <= 0) {
            return;
        }
        bytes.remove_prefix(static_cast<size_t>(count));
    }
}

// "403" for an HTTP answer, "ended" for an end without a byte, "open" when neither came.
std::string outcome_of(int socket) {
    std::string all;
    char buffer[4096];
    for (;;) {
        const ssize_t count = ::recv(socket, buffer, sizeof buffer, 0);
        if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            return "open";
        }
        if (count <= 0) {
            return all.empty() ? "ended" : "said " + all.substr(0, 20);
        }
        all.append(buffer, static_cast<size_t>(count));
        if (all.starts_with("HTTP/1.1 ") && all.size() >= 12) {
            return all.substr(9, 3);
        }
    }
}

std::string framed(const proto::StreamOpen& claim) {
    std::string frame;
    proto::append_frame(frame, claim);
    return frame;
}
std::string claim_of(const std::string& host, uint32_t port) {
    proto::StreamOpen claim;
    claim.set_host(host);
    claim.set_port(port);
    return framed(claim);
}
std::string claim_of_address(const std::string& address, uint32_t port) {
    proto::StreamOpen claim;
    claim.set_address(address);
    claim.set_port(port);
    return framed(claim);
}
std::string forged_identity() {
    proto::StreamOpen claim;
    claim.set_host(kHost);
    claim.set_port(80);
    claim.set_exe("/usr/bin/anchorhold\x1b[2J\n");
    claim.set_pid(1);
    claim.set_uid(0);
    return framed(claim);
}
std::string request(const std::string& path, const std::string& host = kHost) {
    return "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n";
}

struct Attack {
    const char* name;
    std::string bytes;
};

std::vector<Attack> attacks() {
    return {
        {"frame_of_4_gib", "\xff\xff\xff\xff"s},
        {"frame_beyond_the_bound", "\x01\x10\0\0"s + std::string(4097, 'a')},
        {"frame_of_garbage", "\x08\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"s},
        {"frame_cut_off", "\x40\0\0\0\x0a\x0f"s},
        {"no_claim", claim_of("", 80)},
        {"port_zero", claim_of(kHost, 0) + request("/v1/x")},
        {"port_that_wraps", claim_of(kHost, 65536 + 80) + request("/v1/x")},
        {"host_with_nul", claim_of("report.example.com\0.evil.com"s, 80) + request("/v1/x")},
        {"address_of_5_bytes", claim_of_address("\x7f\0\0\1\0"s, 80) + request("/v1/x")},
        {"http_without_claim", request("/v1/x")},
        {"name_nobody_granted",
         claim_of("other.example.com", 80) + request("/v1/x", "other.example.com")},
        {"name_of_the_host", claim_of("localhost", 80) + request("/v1/x", "localhost")},
        {"metadata", claim_of_address("\xa9\xfe\xa9\xfe"s, 80) +
                         request("/latest/meta-data", "169.254.169.254")},
        {"loopback", claim_of_address("\x7f\0\0\1"s, 80) + request("/v1/x", "127.0.0.1")},
        {"loopback_v6",
         claim_of_address(std::string(15, '\0') + "\1", 80) + request("/v1/x", "[::1]")},
        {"path_nobody_granted", claim_of(kHost, 80) + request("/admin")},
        {"other_host_behind_the_claim", claim_of(kHost, 80) + request("/v1/x", "evil.example.com")},
        {"forged_identity", forged_identity() + request("/admin")},
        {"raw_bytes_to_another_port", claim_of(kHost, 22) + "\0\1\2\3"s},
    };
}

std::string egress(const std::string& bytes) {
    const OwnFd socket = connect_to(proto::kHostCid, proto::kEgressPort);
    if (!socket.valid()) {
        return "refused";
    }
    send_all(socket.get(), bytes);
    ::shutdown(socket.get(), SHUT_WR);
    return outcome_of(socket.get());
}

std::string open_ports() {
    std::string open;
    std::vector<uint32_t> ports = {5000, 0x7fffffff, 0xfffffffe};
    for (uint32_t port = 0; port < 1100; ++port) {
        ports.push_back(port);
    }
    for (const uint32_t port : ports) {
        // Where init says that it is ready: hanging up there ends the sandbox, and comes last.
        if (port != proto::kReadyPort && connect_to(proto::kHostCid, port).valid()) {
            open += " " + std::to_string(port);
        }
    }
    return open;
}

std::string attack_everything() {
    std::string report;
    for (const Attack& attack : attacks()) {
        report += attack.name + ": "s + egress(attack.bytes) + "\n";
    }
    const OwnFd notices = connect_to(proto::kHostCid, proto::kNoticePort);
    send_all(notices.get(), "\x08\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"s);
    report += "garbage_notice: " + outcome_of(notices.get()) + "\n";
    report += "open_ports:" + open_ports() + "\n";
    for (const uint32_t cid : {0U, 3U, 4U, 1000U}) {
        report += "cid_" + std::to_string(cid) + ": " +
                  (connect_to(cid, proto::kEgressPort).valid() ? "open" : "refused") + "\n";
    }
    std::vector<OwnFd> flood;
    while (flood.size() < kFlood) {
        OwnFd socket = connect_to(proto::kHostCid, proto::kEgressPort);
        if (!socket.valid()) {
            break;
        }
        flood.push_back(std::move(socket));
    }
    report += "flood: "s + (flood.size() < kFlood ? "bounded" : "endless") + "\n";
    flood.resize(flood.size() / 2);
    report += "during_flood: " + egress(claim_of(kHost, 80) + request("/v1/flood")) + "\n";
    flood.clear();
    return report;
}

}  // namespace

int main() {
    const std::string report = attack_everything();
    egress(claim_of(kHost, 80) + "POST /v1/report HTTP/1.1\r\nHost: " + kHost +
           "\r\nContent-Length: " + std::to_string(report.size()) + "\r\n\r\n" + report);
    const OwnFd ready = connect_to(proto::kHostCid, proto::kReadyPort);
    send_all(ready.get(), "\x08\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"s);
    outcome_of(ready.get());
    ::reboot(LINUX_REBOOT_CMD_RESTART);
    return 1;
}
