// A pager process, and this process as its supervisor and as the VMM whose memory it serves.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/mapping.h"
#include "base/seqpacket.h"
#include "base/spawn.h"
#include "base/sys.h"
#include "proto/pager.pb.h"
#include "snapshot/memory_digests.h"
#include "snapshot/working_set.h"

namespace anchorhold::pager {

constexpr uint64_t kChunk = snapshot::kChunkBytes;
constexpr uint64_t kPage = 4096;

// A memory of some chunks of noise, some of zeros, and a last one that is short.
std::vector<std::byte> sample_memory();
constexpr uint64_t kSampleChunks = 20;
[[nodiscard]] bool sample_chunk_is_zero(uint64_t chunk);

OwnFd sparse_file(std::span<const std::byte> memory);
OwnFd file_with(std::string_view bytes);

// The next packet; nothing when none came in ten seconds.
std::optional<Packet> next_packet(int socket);

class PagerRig : public testing::Test {
  protected:
    void SetUp() override;

    // Starts the process; its files are these.
    struct Files {
        OwnFd memory;
        proto::PagerStart::Form form = proto::PagerStart::SPARSE;
        OwnFd digests;
        std::optional<snapshot::WorkingSet> working_set = std::nullopt;
    };
    void spawn_pager();
    void start(Files files);
    // sample_memory() and its digests.
    Files sample_files(proto::PagerStart::Form form = proto::PagerStart::SPARSE) const;

    // Maps missing memory of `bytes`, registered; attach() asks for it to be served.
    void map_memory(uint64_t bytes);
    void attach();
    [[nodiscard]] proto::PagerServe request() const;  // a good one
    // Sends a request with the userfaultfd; whether the pager is ready.
    bool ask(const proto::PagerServe& request);

    proto::PagerEvent last_event();
    int exit_code();
    // The last event is a failure with this cause, and the status 1.
    proto::PagerFailed expect_failure(proto::PagerFailed::Cause cause);
    proto::PagerEnded expect_end();

    std::vector<std::byte> sample = sample_memory();
    OwnFd device;  // /dev/userfaultfd
    OwnFd control;
    OwnFd vmm;  // the VMM's end
    Child child;
    OwnMapping mapping;
    OwnFd userfault;
};

}  // namespace anchorhold::pager
