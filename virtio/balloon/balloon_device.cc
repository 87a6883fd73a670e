// Page numbers in, holes in the guest's memfd out.
#include "virtio/balloon/balloon_device.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "base/endian.h"
#include "virtio/queue_service.h"

namespace anchorhold::virtio {
namespace {

// §5.5.3 feature bits.
constexpr uint64_t kFeatureDeflateOnOom = uint64_t{1} << 2;
constexpr uint64_t kFeatureReporting = uint64_t{1} << 5;

// §5.5.2; without statistics and hinting the reporting queue is the third.
enum QueueIndex : size_t { kInflate = 0, kDeflate = 1, kReporting = 2 };
constexpr std::array<uint16_t, 3> kQueueSizes = {64, 64, 64};

// §5.5.4 struct virtio_balloon_config, up to what the offered features show.
struct BalloonConfig {
    Le32 target_pages;  // num_pages
    Le32 actual_pages;  // actual
};
static_assert(sizeof(BalloonConfig) == 8);
constexpr uint64_t kActualOffset = 4;

// §5.5.6: pages are 4 KiB whatever the guest's page size. One buffer of Linux names 256; more than
// this is refused.
constexpr uint64_t kBalloonPage = 4096;
constexpr uint64_t kMaxPagesPerBuffer = 4096;

}  // namespace

BalloonDevice::BalloonDevice(const memory::GuestMemory& memory, EventLoop& loop, DeviceLock& lock)
    : memory_(memory), again_(loop, lock, [this] {
          for (size_t i = 0; i < kQueueSizes.size(); ++i) {
              process_queue(i);
          }
      }) {}

uint64_t BalloonDevice::features() const {
    return kFeatureDeflateOnOom | kFeatureReporting;
}
std::span<const uint16_t> BalloonDevice::queue_sizes() const {
    return kQueueSizes;
}

void BalloonDevice::read_config(uint64_t offset, std::span<std::byte> out) const {
    const BalloonConfig config{target_pages_, actual_pages_};
    copy_config(std::as_bytes(std::span(&config, 1)), offset, out);
}

void BalloonDevice::write_config(uint64_t offset, std::span<const std::byte> bytes) {
    if (offset == kActualOffset && bytes.size() == sizeof(Le32)) {
        Le32 actual;
        std::memcpy(&actual, bytes.data(), sizeof actual);
        actual_pages_ = actual;
        counters_.held_bytes = std::min<uint64_t>(uint64_t{actual} * kBalloonPage, memory_.size());
    }
}

void BalloonDevice::activate(const Activation& activation) {
    activation_ = activation;
    active_ = true;
}

void BalloonDevice::reset() {
    active_ = false;
    // A new driver starts with an empty balloon.
    actual_pages_ = 0;
    counters_.held_bytes = 0;
}

void BalloonDevice::set_target(uint64_t pages) {
    const uint64_t most = std::min<uint64_t>(memory_.size() / kBalloonPage, UINT32_MAX);
    const auto target = static_cast<uint32_t>(std::min(pages, most));
    if (target == target_pages_) {
        return;
    }
    target_pages_ = target;
    if (active_) {
        activation_.interrupt->signal_config();
    }
}

void BalloonDevice::restore(const BalloonState& state) {
    target_pages_ = state.target_pages;
    actual_pages_ = state.actual_pages;
    counters_.held_bytes =
        std::min<uint64_t>(uint64_t{actual_pages_} * kBalloonPage, memory_.size());
}

void BalloonDevice::process_queue(size_t index) {
    if (!active_ || !activation_.queues[index].active()) {
        return;
    }
    Queue& queue = activation_.queues[index];
    serve_queue(activation_, index, chain_, again_, [&](const DescriptorChain& chain) {
        if (index == kReporting) {
            report(chain);
        } else if (chain.readable_size % sizeof(Le32) != 0 ||
                   chain.readable_size / sizeof(Le32) > kMaxPagesPerBuffer) {
            queue.stop("a balloon buffer is no array of at most 4096 page numbers");
            return;
        } else if (index == kInflate) {
            inflate(chain);
        }
        // Deflating needs nothing: a page that is touched comes back by itself (§5.5.6).
        queue.add_used(chain.head, 0);
    });
}

void BalloonDevice::inflate(const DescriptorChain& chain) {
    ChainCursor cursor(chain.readable);
    uint64_t first = 0;
    uint64_t count = 0;
    Le32 page;
    // Neighbours go in one call: Linux names pages in falling or rising runs.
    while (cursor.read(std::as_writable_bytes(std::span(&page, 1)))) {
        const uint64_t number = page;
        if (count > 0 && number == first + count) {
            ++count;
        } else if (count > 0 && number + 1 == first) {
            first = number;
            ++count;
        } else {
            discard_page_run(first, count);
            first = number;
            count = 1;
        }
    }
    discard_page_run(first, count);
}

void BalloonDevice::discard_page_run(uint64_t first_page, uint64_t pages) {
    if (pages == 0) {
        return;
    }
    const memory::GuestRange range{memory::GuestAddress(first_page * kBalloonPage),
                                   pages * kBalloonPage};
    // What is no RAM is the driver's mistake and hurts nobody; what the host keeps is merely not
    // saved.
    if (const auto given = memory_.discard(range)) {
        counters_.discarded_bytes += *given;
    } else {
        counters_.refused_pages += pages;
    }
}

void BalloonDevice::report(const DescriptorChain& chain) {
    // §5.5.6.7: the buffers are the free pages themselves.
    for (const auto segment : chain.writable) {
        if (const auto range = memory_.range_of(segment)) {
            if (const auto given = memory_.discard(*range)) {
                counters_.reported_bytes += *given;
            }
        }
    }
}

}  // namespace anchorhold::virtio
