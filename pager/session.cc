// Packets and events to the fault server, its failures to the supervisor.
#include "pager/session.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <string_view>

#include "base/checked_math.h"
#include "base/sys.h"
#include "pager/compressed_memory.h"
#include "pager/sparse_memory_source.h"
#include "proto/frame.h"
#include "snapshot/working_set.h"

namespace anchorhold::pager {
namespace {

using proto::PagerFailed;
using snapshot::kChunkBytes;

// While memory is being given back nothing can be filled, and the one who gives needs the
// processor.
constexpr auto kRetryAfter = std::chrono::milliseconds(1);

// A descriptor of the packet, taken out of it; invalid where the index names none.
OwnFd take_fd(Packet& packet, uint32_t index) {
    return index < packet.fds.size() ? std::move(packet.fds[index]) : OwnFd();
}

Result<std::unique_ptr<MemorySource>> open_source(OwnFd file, proto::PagerStart::Form form) {
    if (form == proto::PagerStart::COMPRESSED) {
        return ANCHORHOLD_TRY(CompressedMemory::open(std::move(file)));
    }
    return ANCHORHOLD_TRY(SparseMemorySource::open(std::move(file)));
}

// Each chunk once that has a page of either set.
std::vector<uint64_t> chunks_of(const snapshot::WorkingSet& set, uint64_t chunks) {
    std::vector<bool> wanted(chunks);
    for (const auto* ranges : {&set.read, &set.written}) {
        for (const snapshot::PageRange& range : *ranges) {
            const uint64_t last = (range.first + range.count - 1) * snapshot::kPageBytes;
            for (uint64_t chunk = range.first * snapshot::kPageBytes / kChunkBytes;
                 chunk <= last / kChunkBytes; ++chunk) {
                wanted[chunk] = true;
            }
        }
    }
    std::vector<uint64_t> list;
    for (uint64_t chunk = 0; chunk < chunks; ++chunk) {
        if (wanted[chunk]) {
            list.push_back(chunk);
        }
    }
    return list;
}

bool is_end(const Packet& packet) {
    return packet.bytes.empty() && packet.fds.empty();
}

}  // namespace

Status Session::run() {
    Served<void> outcome = start();
    if (outcome && !outcome_) {
        const Status ran = loop_.run();
        outcome = ran ? std::move(*outcome_) : stop(PagerFailed::HOST, ran.error().message);
    } else if (outcome_) {
        outcome = std::move(*outcome_);
    }
    proto::PagerEvent event;
    if (!outcome) {
        PagerFailed& failed = *event.mutable_failed();
        failed.set_cause(outcome.error().cause);
        failed.set_error(outcome.error().error);
        if (outcome.error().offset) {
            failed.set_offset(*outcome.error().offset);
        }
        report(event);
        return fail(outcome.error().error);
    }
    const FaultServer::Counts counts = server_ ? server_->counts() : FaultServer::Counts{};
    proto::PagerEnded& ended = *event.mutable_ended();
    ended.set_faults(counts.faults);
    ended.set_chunks_served(counts.chunks_served);
    ended.set_chunks_prefetched(counts.chunks_prefetched);
    ended.set_removed_bytes(counts.removed_bytes);
    report(event);
    return {};
}

Served<void> Session::start() {
    auto packet = receive_packet(control_.get());
    if (!packet || !packet->has_value() || is_end(**packet)) {
        return stop(PagerFailed::HOST, "the supervisor has gone");
    }
    if (auto opened = open_files(std::move(**packet)); !opened) {
        return opened;
    }
    return watch();
}

Served<void> Session::open_files(Packet packet) {
    const auto refuse = [](const Error& error) { return stop(PagerFailed::FILES, error.message); };
    const auto start = proto::parse<proto::PagerStart>(packet.bytes, "PagerStart");
    if (!start) {
        return refuse(start.error());
    }
    vmm_ = take_fd(packet, start->vmm_fd());
    auto source = open_source(take_fd(packet, start->memory_fd()), start->form());
    if (!source) {
        return refuse(source.error());
    }
    auto digests = snapshot::read_digests(take_fd(packet, start->digests_fd()).get());
    if (!digests) {
        return refuse(digests.error());
    }
    auto memory = VerifiedMemory::create(std::move(*source), std::move(*digests));
    if (!memory) {
        return refuse(memory.error());
    }
    memory_bytes_ = memory->bytes();
    if (memory_bytes_ % snapshot::kPageBytes != 0) {
        return stop(PagerFailed::FILES,
                    fmt::format("memory file: {} bytes are not whole pages", memory_bytes_));
    }
    if (start->has_working_set_fd()) {
        const OwnFd file = take_fd(packet, start->working_set_fd());
        const auto set =
            snapshot::read_working_set(file.get(), memory_bytes_ / snapshot::kPageBytes);
        if (!set) {
            return refuse(set.error());
        }
        prefetch_ = chunks_of(*set, memory->chunks());
    }
    memory_.emplace(std::move(*memory));
    return {};
}

Served<void> Session::watch() {
    if (const Status set = sys::set_nonblocking(vmm_.get()); !set) {
        return stop(PagerFailed::FILES, set.error().within("the VMM's socket").message);
    }
    // The supervisor has nothing more to say.
    Status watched = loop_.add(control_.get(), EPOLLIN, [this](uint32_t) {
        finish(stop(PagerFailed::HOST, "the supervisor has gone"));
    });
    if (watched) {
        watched = loop_.add(vmm_.get(), EPOLLIN, [this](uint32_t) { handle_vmm(); });
    }
    return watched ? Served<void>() : stop(PagerFailed::HOST, watched.error().message);
}

void Session::handle_vmm() {
    if (outcome_) {
        return;
    }
    auto packet = receive_packet(vmm_.get());
    if (packet && !packet->has_value()) {
        return;
    }
    if ((packet && is_end(**packet)) || (!packet && packet.error().code == ECONNRESET)) {
        return finish({});
    }
    if (!packet) {
        return finish(stop(PagerFailed::VMM, packet.error().message));
    }
    if (server_) {
        return finish(stop(PagerFailed::VMM, "the VMM sent a second packet"));
    }
    if (auto served = serve(std::move(**packet)); !served) {
        finish(std::move(served));
    }
}

Served<void> Session::serve(Packet packet) {
    const auto refuse = [](std::string error) {
        return stop(PagerFailed::VMM, "the VMM's request: " + std::move(error));
    };
    const auto request = proto::parse<proto::PagerServe>(packet.bytes, "PagerServe");
    if (!request) {
        return refuse(request.error().message);
    }
    if (packet.fds.size() != 1 || !is_userfault(packet.fds.front().get())) {
        return refuse("it comes with something else than one userfaultfd");
    }
    if (request->page_bytes() != snapshot::kPageBytes) {
        return refuse(fmt::format("pages of {} bytes", request->page_bytes()));
    }
    if (request->bytes() != memory_bytes_) {
        return refuse(
            fmt::format("a memory of {} bytes, the file has {}", request->bytes(), memory_bytes_));
    }
    const auto end = (Checked<uint64_t>(request->address()) + request->bytes()).value();
    if (request->address() % snapshot::kPageBytes != 0 || !end) {
        return refuse(fmt::format("no memory is at {:#x}", request->address()));
    }
    userfault_ = std::move(packet.fds.front());
    Status ready = sys::set_nonblocking(userfault_.get());
    server_.emplace(userfault_.get(), request->address(), std::move(*memory_),
                    std::move(prefetch_));
    if (ready) {
        ready = loop_.add(userfault_.get(), EPOLLIN, [this](uint32_t) { handle_faults(); });
    }
    if (ready) {
        proto::PagerReady answer;
        answer.set_bytes(memory_bytes_);
        ready = send_packet(vmm_.get(), answer.SerializeAsString());
    }
    if (!ready) {
        return stop(PagerFailed::HOST, ready.error().message);
    }
    idle();
    return {};
}

bool Session::is_userfault(int fd) const {
    constexpr std::string_view kName = "anon_inode:[userfaultfd]";
    std::array<char, 64> name{};
    const ssize_t length =
        ::readlinkat(descriptors_.get(), std::to_string(fd).c_str(), name.data(), name.size());
    return length > 0 && std::string_view(name.data(), static_cast<size_t>(length)) == kName;
}

void Session::handle_faults() {
    if (outcome_) {
        return;
    }
    Served<void> done = server_->read_messages();
    if (done) {
        done = server_->serve();
    }
    if (!done) {
        return finish(std::move(done));
    }
    idle();
}

// What is left to do once nothing is to be read: faults that could not be answered yet, then the
// list.
void Session::idle() {
    if (idle_ == Idle::kPosted || (!server_->waiting() && !server_->prefetching())) {
        return;
    }
    idle_ = Idle::kPosted;
    const auto go_on = [this] {
        idle_ = Idle::kNot;
        if (outcome_) {
            return;
        }
        Served<void> done = server_->waiting() ? server_->read_messages() : Served<void>();
        if (done) {
            done = server_->waiting() ? server_->serve() : server_->prefetch();
        }
        if (!done) {
            return finish(std::move(done));
        }
        idle();
    };
    if (server_->blocked()) {
        loop_.add_timer(kRetryAfter, go_on);
    } else {
        loop_.post(go_on);
    }
}

void Session::finish(Served<void> outcome) {
    if (!outcome_) {
        outcome_ = std::move(outcome);
    }
    loop_.stop();
}

// The last word; a supervisor that does not listen sees the exit status.
void Session::report(const proto::PagerEvent& event) const {
    (void)send_packet(control_.get(), event.SerializeAsString());
}

}  // namespace anchorhold::pager
