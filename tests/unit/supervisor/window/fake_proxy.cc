// In the places of proxy zygote and dialer: a proxy that reports what its guest tells it to, byte
// by byte. A stream's bytes until its end are one packet for the supervisor; none at all end the
// proxy. What the supervisor answers goes back on the last stream.
#include <poll.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "base/seqpacket.h"
#include "base/sys.h"
#include "proto/frame.h"
#include "proto/proxy_control.pb.h"
#include "x509/certificate.h"

namespace anchorhold {
namespace {

constexpr int kControl = 3;

std::string read_all(int fd) {
    std::string text;
    char buffer[4096];
    for (ssize_t got = 0; (got = ::read(fd, buffer, sizeof buffer)) > 0;) {
        text.append(buffer, static_cast<size_t>(got));
    }
    return text;
}

// As every proxy is, before it takes a stream.
void be_certified(int control) {
    const x509::OwnKey key(EVP_EC_gen("P-256"));
    proto::ProxyReport report;
    report.set_public_key(x509::public_key_der(key.get()).value());
    pollfd answered{control, POLLIN, 0};
    if (!send_packet(control, report.SerializeAsString()) || ::poll(&answered, 1, -1) != 1) {
        ::_exit(1);
    }
    const auto packet = receive_packet(control);
    if (!packet || !*packet ||
        !x509::parse_certificate(proto::parse<proto::ProxyOrder>((*packet)->bytes, "the order")
                                     .value()
                                     .intermediate())) {
        ::_exit(1);
    }
}

[[noreturn]] void run_proxy(const std::vector<OwnFd>& fds) {
    const int control = fds[0].get();
    const int streams = fds[1].get();
    read_all(fds[3].get());  // the setup
    be_certified(control);
    OwnFd last;
    for (;;) {
        pollfd waiting[] = {{control, POLLIN, 0}, {streams, POLLIN, 0}};
        ::poll(waiting, 2, -1);
        if (waiting[0].revents != 0) {
            const auto order = receive_packet(control);
            if (!order || !*order || (*order)->bytes.empty()) {
                ::_exit(0);
            }
            [[maybe_unused]] const Status told = sys::write_all(last.get(), (*order)->bytes);
        }
        if (waiting[1].revents != 0) {
            auto stream = receive_packet(streams);
            if (!stream || !*stream || (*stream)->fds.empty()) {
                ::_exit(0);
            }
            last = std::move((*stream)->fds[0]);
            const std::string report = read_all(last.get());
            if (report.empty() || !send_packet(control, report)) {
                ::_exit(1);
            }
        }
    }
}

int run_zygote() {
    for (;;) {
        auto packet = receive_packet(kControl);
        if (!packet || !*packet || (*packet)->bytes.empty()) {
            return 0;
        }
        const auto request = proto::parse<proto::ForkProxy>((*packet)->bytes, "the request");
        const pid_t child = ::fork();
        if (child == 0) {
            ::close(kControl);
            run_proxy((*packet)->fds);
        }
        const OwnFd pidfd = sys::pidfd_open(child).value();
        proto::ProxyForked answer;
        answer.set_sandbox(request->sandbox());
        answer.set_pid(child);
        const int fd = pidfd.get();
        if (!send_packet(kControl, answer.SerializeAsString(), std::span(&fd, 1))) {
            return 1;
        }
    }
}

}  // namespace
}  // namespace anchorhold

int main(int, char** argv) {
    if (std::string_view(argv[0]).ends_with("dialer")) {
        while (true) {
            const auto packet = anchorhold::receive_packet(anchorhold::kControl);
            if (!packet || !*packet || (*packet)->bytes.empty()) {
                return 0;
            }
        }
    }
    return anchorhold::run_zygote();
}
