// Each thread keeps one stream, asks on it, and opens another when it ended.
#include "soak/guests.h"

#include <poll.h>

#include <cerrno>
#include <random>

#include "base/seqpacket.h"
#include "base/sys.h"
#include "proto/frame.h"
#include "proto/ports.h"
#include "proto/vmm_control.pb.h"

namespace anchorhold::soak {
namespace {

using window_test::GuestStream;

constexpr unsigned kRequestsOfAStream = 200;  // on average
constexpr unsigned kForbiddenEvery = 20;
constexpr int kLookAgainMs = 100;

}  // namespace

Guests::Guests(std::string root_pem, uint64_t seed, Counts counts)
    : root_pem_(std::move(root_pem)), seed_(seed) {
    for (unsigned i = 0; i < counts.https + counts.http; ++i) {
        threads_.emplace_back([this, i, tls = i < counts.https] { run(i, tls); });
    }
}

Guests::~Guests() {
    stop();
}

void Guests::stop() {
    stopping_ = true;
    use(OwnFd());
    for (std::thread& thread : threads_) {
        thread.join();
    }
    threads_.clear();
}

void Guests::use(OwnFd channel) {
    const std::lock_guard guard(mutex_);
    channel_ = channel.valid() ? std::make_shared<OwnFd>(std::move(channel)) : nullptr;
    changed_.notify_all();
}

bool Guests::wait_for_answers(uint64_t answers, std::chrono::seconds patience) {
    std::unique_lock lock(mutex_);
    while (tally_.answered < answers) {
        const uint64_t before = tally_.answered;
        if (!changed_.wait_for(lock, patience, [&] { return tally_.answered > before; })) {
            return false;
        }
    }
    return true;
}

Tally Guests::tally() {
    const std::lock_guard guard(mutex_);
    return tally_;
}

void Guests::count(uint64_t Tally::*what) {
    const std::lock_guard guard(mutex_);
    ++(tally_.*what);
    changed_.notify_all();
}

std::shared_ptr<OwnFd> Guests::channel() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return channel_ || stopping_; });
    return channel_;
}

void Guests::channel_failed(const std::shared_ptr<OwnFd>& failed) {
    const std::lock_guard guard(mutex_);
    if (channel_ == failed) {
        channel_.reset();  // until there is another supervisor
    }
}

std::unique_ptr<GuestStream> Guests::open(bool tls, const std::string& host) {
    const auto egress = channel();
    if (!egress) {
        return nullptr;
    }
    auto pair = sys::socket_pair(SOCK_STREAM);
    if (!pair) {
        return nullptr;
    }
    proto::GuestStream packet;
    packet.set_guest_port(5000);
    packet.set_host_port(proto::kEgressPort);
    const int fd = pair->second.get();
    for (;;) {
        const Status sent =
            send_packet(egress->get(), packet.SerializeAsString(), std::span(&fd, 1));
        if (sent) {
            break;
        }
        if (sent.error().code != EAGAIN) {
            channel_failed(egress);
            return nullptr;
        }
        pollfd room{egress->get(), POLLOUT, 0};
        ::poll(&room, 1, kLookAgainMs);
        if (stopping_) {
            return nullptr;
        }
    }
    pair->second.reset();
    auto stream = std::make_unique<GuestStream>(std::move(pair->first));
    std::string frame;
    proto::append_frame(frame, window_test::claim_of(host, tls ? 443 : 80));
    stream->write(frame);
    if (tls && !stream->start_tls(host, root_pem_).empty()) {
        count(&Tally::unopened);
        return nullptr;
    }
    return stream;
}

bool Guests::ask(GuestStream& stream, const std::string& host, bool forbidden) {
    const std::string path =
        (forbidden ? "/admin/r/" : "/v1/r/") + std::to_string(next_id_.fetch_add(1));
    stream.write("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
    std::string buffer;
    errno = 0;
    const window_test::HttpAnswer answer = read_answer(stream, buffer);
    if (answer.status == 0) {
        count(errno == EAGAIN ? &Tally::stalled : &Tally::cut);
        return false;
    }
    if (answer.status == 403 && forbidden) {
        count(&Tally::forbidden);
    } else if (answer.status == 200 && !forbidden && answer.body == path) {
        count(&Tally::answered);
    } else if (answer.status >= 500) {
        count(&Tally::refused);
    } else {
        count(answer.status == 200 && answer.body.size() < path.size() ? &Tally::cut
                                                                       : &Tally::wrong);
        return false;
    }
    return answer.field("connection") != "close";
}

void Guests::run(unsigned number, bool tls) {
    std::mt19937_64 random(seed_ + number);
    const std::string host = tls ? "api.example.com" : "plain.example.com";
    std::unique_ptr<GuestStream> stream;
    while (!stopping_) {
        if (!stream) {
            stream = open(tls, host);
            continue;
        }
        if (!ask(*stream, host, random() % kForbiddenEvery == 0) ||
            random() % kRequestsOfAStream == 0) {
            stream.reset();
        }
    }
}

}  // namespace anchorhold::soak
