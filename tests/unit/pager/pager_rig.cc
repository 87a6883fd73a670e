// Spawning, packets, deadlines.
#include "pager_rig.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <bit>
#include <random>

#include "pager/compressed_memory.h"
#include "proto/frame.h"
#include "snapshot/sparse_memory.h"
#include "snapshot/userfault.h"

namespace anchorhold::pager {

bool sample_chunk_is_zero(uint64_t chunk) {
    return chunk % 5 == 3;
}

std::vector<std::byte> sample_memory() {
    std::vector<std::byte> memory((kSampleChunks - 1) * kChunk + 3 * kPage);
    std::minstd_rand noise(7);
    for (size_t at = 0; at < memory.size(); ++at) {
        if (!sample_chunk_is_zero(at / kChunk)) {
            memory[at] = static_cast<std::byte>(noise() >> 8);
        }
    }
    return memory;
}

OwnFd sparse_file(std::span<const std::byte> memory) {
    OwnFd file = sys::memfd("memory", memory.size()).value();
    EXPECT_TRUE(snapshot::write_sparse(file.get(), 0, memory));
    return file;
}

OwnFd file_with(std::string_view bytes) {
    OwnFd file = sys::memfd("file", 0).value();
    EXPECT_TRUE(sys::write_all(file.get(), bytes));
    return file;
}

std::optional<Packet> next_packet(int socket) {
    pollfd wait{socket, POLLIN, 0};
    if (::poll(&wait, 1, 10'000) != 1) {
        return std::nullopt;
    }
    auto packet = receive_packet(socket);
    return packet ? std::move(*packet) : Packet();  // a reset is an end
}

void PagerRig::SetUp() {
    auto opened = sys::open("/dev/userfaultfd", O_RDWR);
    ASSERT_TRUE(opened) << opened.error().message;
    device = std::move(*opened);
    spawn_pager();
}

void PagerRig::spawn_pager() {
    auto pair = sys::socket_pair(SOCK_SEQPACKET).value();
    control = std::move(pair.first);
    const OwnFd nothing = sys::open("/dev/null", O_RDWR).value();
    SpawnRequest request;
    request.path = PAGER;
    request.arguments = {"anchorhold-pager"};
    request.environment = {"ANCHORHOLD_LOG=off"};
    request.descriptors = {{nothing.get(), 0}, {nothing.get(), 1}, {2, 2}, {pair.second.get(), 3}};
    child = spawn(request).value();
}

PagerRig::Files PagerRig::sample_files(proto::PagerStart::Form form) const {
    Files files{.memory = sparse_file(sample), .form = form, .digests = OwnFd()};
    files.digests =
        file_with(snapshot::seal(snapshot::compute_digests(files.memory.get()).value()));
    if (form == proto::PagerStart::COMPRESSED) {
        OwnFd compressed = sys::memfd("compressed", 0).value();
        EXPECT_TRUE(compress_memory(files.memory.get(), compressed.get()));
        files.memory = std::move(compressed);
    }
    return files;
}

void PagerRig::start(Files files) {
    auto pair = sys::socket_pair(SOCK_SEQPACKET).value();
    vmm = std::move(pair.first);
    std::vector<int> fds{files.memory.get(), files.digests.get(), pair.second.get()};
    proto::PagerStart message;
    message.set_memory_fd(0);
    message.set_form(files.form);
    message.set_digests_fd(1);
    message.set_vmm_fd(2);
    OwnFd set;
    if (files.working_set) {
        set = file_with(snapshot::seal(*files.working_set, sample.size() / kPage));
        message.set_working_set_fd(3);
        fds.push_back(set.get());
    }
    ASSERT_TRUE(send_packet(control.get(), message.SerializeAsString(), fds));
}

void PagerRig::map_memory(uint64_t bytes) {
    mapping =
        OwnMapping::map(bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)
            .value();
    auto opened = snapshot::open_userfault(device.get(), mapping.bytes());
    ASSERT_TRUE(opened) << opened.error().message;
    userfault = std::move(*opened);
}

proto::PagerServe PagerRig::request() const {
    proto::PagerServe request;
    request.set_address(std::bit_cast<uintptr_t>(mapping.data()));
    request.set_bytes(mapping.size());
    request.set_page_bytes(kPage);
    return request;
}

bool PagerRig::ask(const proto::PagerServe& request) {
    const int passed = userfault.get();
    if (!send_packet(vmm.get(), request.SerializeAsString(), {&passed, 1})) {
        return false;
    }
    const auto packet = next_packet(vmm.get());
    return packet && !packet->bytes.empty() &&
           proto::parse<proto::PagerReady>(packet->bytes, "PagerReady").value().bytes() ==
               sample.size();
}

void PagerRig::attach() {
    map_memory(sample.size());
    ASSERT_TRUE(ask(request()));
}

proto::PagerEvent PagerRig::last_event() {
    const auto packet = next_packet(control.get());
    EXPECT_TRUE(packet) << "no event";
    return packet ? proto::parse<proto::PagerEvent>(packet->bytes, "PagerEvent").value()
                  : proto::PagerEvent();
}

int PagerRig::exit_code() {
    pollfd ended{child.pidfd(), POLLIN, 0};
    EXPECT_EQ(::poll(&ended, 1, 10'000), 1) << "the pager still runs";
    const ExitStatus status = child.wait().value();
    EXPECT_EQ(status.signal, 0);
    return status.code;
}

proto::PagerFailed PagerRig::expect_failure(proto::PagerFailed::Cause cause) {
    const proto::PagerEvent event = last_event();
    EXPECT_TRUE(event.has_failed());
    EXPECT_EQ(event.failed().cause(), cause) << event.failed().error();
    EXPECT_FALSE(event.failed().error().empty());
    EXPECT_EQ(exit_code(), 1);
    // The VMM sees it as well.
    const auto packet = next_packet(vmm.get());
    EXPECT_TRUE(packet && packet->bytes.empty());
    return event.failed();
}

proto::PagerEnded PagerRig::expect_end() {
    vmm.reset();
    const proto::PagerEvent event = last_event();
    EXPECT_TRUE(event.has_ended()) << event.failed().error();
    EXPECT_EQ(exit_code(), 0);
    return event.ended();
}

}  // namespace anchorhold::pager
