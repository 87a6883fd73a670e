// Block requests that reach beyond, and balloons that are filled with everything.
#include "attack.h"
#include "driver.h"

namespace hostile {
namespace {

// virtio 1.2 §5.2.6.
constexpr uint32_t kIn = 0;
constexpr uint32_t kOut = 1;
constexpr uint32_t kDiscard = 11;
constexpr uint32_t kWriteZeroes = 13;
constexpr uint8_t kOk = 0;
constexpr uint8_t kIoError = 1;
constexpr uint8_t kUnsupported = 2;
constexpr uint8_t kNothing = 0xee;  // what the status byte holds before

struct Header {
    uint32_t type, reserved;
    uint64_t sector;
};
struct Range {
    uint64_t sector;
    uint32_t sectors, flags;
};
constexpr uint64_t kHeader = kScratch;
constexpr uint64_t kStatus = kScratch + 64;
constexpr uint64_t kData = kScratch + 4096;

// A request of three descriptors, the data's length as told; its status.
uint8_t request(const Device& device, const Header& header, uint32_t length,
                uint64_t data = kData) {
    Ring& ring = ring_of(0);
    *reinterpret_cast<Header*>(kHeader) = header;
    poke<uint8_t>(kStatus, kNothing);
    const uint16_t direction = header.type == kIn ? kWrite : uint16_t{0};
    ring.descriptors[0] = {kHeader, sizeof header, kNext, 1};
    ring.descriptors[1] = {data, length, static_cast<uint16_t>(direction | kNext), 2};
    ring.descriptors[2] = {kStatus, 1, kWrite, 0};
    offer(device, 0, 0);
    static_cast<void>(device.waits_until_used(ring, 1));
    return peek<uint8_t>(kStatus);
}

bool disk_still_serves() {
    const Device disk(Slot::kDisk);
    disk.start();
    return request(disk, {kOut, 0, 0}, 512) == kOk && request(disk, {kIn, 0, 0}, 512) == kOk;
}

uint64_t capacity(const Device& device) {
    return peek<uint64_t>(device.base() + static_cast<uint32_t>(Register::kConfig));
}

Result beyond_the_disk(const Surroundings&) {
    Result result{0, "io_error"};
    for (const Slot slot : {Slot::kReadOnlyDisk, Slot::kDisk}) {
        const Device device(slot);
        device.start();
        const uint64_t sectors = capacity(device);
        for (const uint32_t type : {kIn, kOut}) {
            for (const uint64_t sector :
                 {sectors, sectors - 1, sectors + 1, uint64_t{1} << 55, (uint64_t{1} << 55) - 1,
                  ~uint64_t{0}, ~uint64_t{0} / 512}) {
                const uint32_t length = sector == sectors - 1 ? 1024 : 512;
                ++result.made;
                if (request(device, {type, 0, sector}, length) != kIoError) {
                    result.outcome = "served";
                }
            }
        }
    }
    return disk_still_serves() ? result : Result{result.made, "dead"};
}

Result odd_lengths(const Surroundings& around) {
    Result result{0, "io_error"};
    const Device device(Slot::kDisk);
    device.start();
    for (const uint32_t type : {kIn, kOut}) {
        for (const uint32_t length : {0U, 1U, 511U, 513U, 1023U, 48U << 20}) {
            ++result.made;
            if (length < around.memory_end - kData &&
                request(device, {type, 0, 0}, length) != kIoError) {
                result.outcome = "served";
            }
        }
    }
    return disk_still_serves() ? result : Result{result.made, "dead"};
}

Result writes_to_the_read_only_disk(const Surroundings&) {
    Result result{0, "refused"};
    const Device device(Slot::kReadOnlyDisk);
    device.start();
    __builtin_memset(reinterpret_cast<void*>(kData), 0xff, 4096);
    for (const uint32_t type : {kOut, kDiscard, kWriteZeroes}) {
        ++result.made;
        const uint8_t status = request(device, {type, 0, 0}, type == kOut ? 512 : sizeof(Range));
        if (status != kIoError && status != kUnsupported) {
            result.outcome = "served";
        }
    }
    return disk_still_serves() ? result : Result{result.made, "dead"};
}

Result unknown_requests(const Surroundings&) {
    Result result{0, "unsupported"};
    const Device device(Slot::kDisk);
    device.start();
    for (const uint32_t type : {2U, 3U, 5U, 7U, 10U, 14U, 0x7fffffffU, 0xffffffffU}) {
        ++result.made;
        if (request(device, {type, 0, 0}, 512) != kUnsupported) {
            result.outcome = "served";
        }
    }
    return disk_still_serves() ? result : Result{result.made, "dead"};
}

Result ranges_beyond_the_disk(const Surroundings&) {
    Result result{0, "refused"};
    const Device device(Slot::kDisk);
    device.start();
    const uint64_t sectors = capacity(device);
    const Range ranges[] = {{sectors, 8, 0},    {sectors - 1, 2, 0}, {~uint64_t{0}, 8, 0},
                            {0, 0xffffffff, 0}, {0, 8, 0xfffffffe},  {uint64_t{1} << 55, 8, 0}};
    for (const uint32_t type : {kDiscard, kWriteZeroes}) {
        for (const Range& range : ranges) {
            *reinterpret_cast<Range*>(kData) = range;
            ++result.made;
            if (const uint8_t status = request(device, {type, 0, 0}, sizeof range);
                status != kIoError && status != kUnsupported) {
                result.outcome = "served";
            }
        }
    }
    return disk_still_serves() ? result : Result{result.made, "dead"};
}

Result requests_without_a_place_for_their_status(const Surroundings&) {
    Result result{0, "stopped"};
    for (const uint32_t header_bytes : {0U, 8U, 15U, 16U}) {
        const Device device(Slot::kDisk);
        device.start();
        ring_of(0).descriptors[0] = {kHeader, header_bytes, 0, 0};
        offer(device, 0, 0);
        ++result.made;
        if (!device.waits_until_broken()) {
            result.outcome = "went_on";
        }
        device.set(Register::kStatus, 0);
    }
    return disk_still_serves() ? result : Result{result.made, "dead"};
}

// The disk's bytes land in the ring that is being served, and over the status byte.
Result data_over_the_ring(const Surroundings&) {
    Result result{0, "survived"};
    for (uint32_t i = 0; i < 50; ++i) {
        const Device device(Slot::kDisk);
        device.start();
        Ring& ring = ring_of(0);
        const auto over = i % 2 == 0 ? reinterpret_cast<uint64_t>(ring.descriptors)
                                     : reinterpret_cast<uint64_t>(&ring.available) & ~uint64_t{511};
        const uint16_t size = ring.size;
        *reinterpret_cast<Header*>(kHeader) = {kIn, 0, 0};
        ring.descriptors[0] = {kHeader, sizeof(Header), kNext, 1};
        ring.descriptors[1] = {over, 4096 - 512, kNext | kWrite, 2};
        ring.descriptors[2] = {over, 1, kWrite, 0};
        offer(device, 0, 0);
        for (uint32_t kick = 0; kick < 20; ++kick) {
            device.notify(0);
        }
        device.set(Register::kStatus, 0);
        ring.size = size;
        ++result.made;
    }
    return disk_still_serves() ? result : Result{result.made, "dead"};
}

// As many as the queue holds, again and again, without waiting for one.
Result request_flood(const Surroundings&) {
    Result result{0, "survived"};
    const Device device(Slot::kDisk);
    device.start();
    Ring& ring = ring_of(0);
    *reinterpret_cast<Header*>(kHeader) = {kIn, 0, 0};
    const uint16_t chains = static_cast<uint16_t>(ring.size / 3);
    for (uint16_t i = 0; i < chains; ++i) {
        const auto head = static_cast<uint16_t>(i * 3);
        ring.descriptors[head] = {kHeader, sizeof(Header), kNext, static_cast<uint16_t>(head + 1)};
        ring.descriptors[head + 1] = {kData + i * uint64_t{4096}, 4096, kNext | kWrite,
                                      static_cast<uint16_t>(head + 2)};
        ring.descriptors[head + 2] = {kStatus, 1, kWrite, 0};
    }
    for (uint32_t round = 0; round < 30; ++round) {
        for (uint16_t i = 0; i < chains; ++i) {
            offer(device, 0, static_cast<uint16_t>(i * 3));
            ++result.made;
        }
        if (!device.waits_until_used(ring, chains)) {
            return {result.made, "lost"};
        }
    }
    return disk_still_serves() ? result : Result{result.made, "dead"};
}

// Balloon buffers: an array of page numbers.
constexpr uint32_t kInflate = 0;
constexpr uint32_t kReporting = 2;

bool give_pages(const Device& balloon, uint64_t first, uint32_t count) {
    auto* const pages = reinterpret_cast<uint32_t*>(kScratch);
    for (uint32_t i = 0; i < count; ++i) {
        pages[i] = static_cast<uint32_t>(first + i);
    }
    ring_of(kInflate).descriptors[0] = {kScratch, count * 4, 0, 0};
    offer(balloon, kInflate, 0);
    return balloon.waits_until_used(ring_of(kInflate), 1);
}

// All memory but our own is given away and touched again, twice over.
Result balloon_and_memory_bomb(const Surroundings& around) {
    constexpr uint32_t kPages = 1024;
    constexpr uint64_t kPage = 4096;
    constexpr uint64_t kFirst = (kScratch + (uint64_t{4} << 20)) / kPage;
    Result result{0, "survived"};
    const Device balloon(Slot::kBalloon);
    balloon.start();
    for (uint32_t round = 0; round < 2; ++round) {
        for (uint64_t page = kFirst; page + kPages <= around.memory_end / kPage; page += kPages) {
            if (!give_pages(balloon, page, kPages)) {
                return {result.made, "dead"};
            }
            result.made += kPages;
        }
        for (uint64_t page = kFirst; page < around.memory_end / kPage; ++page) {
            if (peek<uint64_t>(page * kPage) != 0) {
                result.outcome = "not_zero";
            }
            poke<uint64_t>(page * kPage, page);
        }
    }
    return result;
}

Result balloon_pages_that_are_no_memory(const Surroundings& around) {
    Result result{0, "ignored"};
    const Device balloon(Slot::kBalloon);
    balloon.start();
    for (const uint64_t page : {around.memory_end / 4096, uint64_t{0xd0000}, uint64_t{0xfee00},
                                uint64_t{0x100000}, uint64_t{0x7fffffff}, uint64_t{0xffffff00}}) {
        ++result.made;
        if (!give_pages(balloon, page, 512)) {
            result.outcome = "stopped";
        }
    }
    poke<uint32_t>(balloon.base() + static_cast<uint32_t>(Register::kConfig) + 4, 0xffffffff);
    return give_pages(balloon, 0x7000, 1) ? result : Result{result.made, "dead"};
}

Result balloon_buffers_that_are_no_arrays(const Surroundings&) {
    Result result{0, "stopped"};
    for (const uint32_t bytes : {1U, 3U, 4097U * 4, 1U << 20}) {
        const Device balloon(Slot::kBalloon);
        balloon.start();
        ring_of(kInflate).descriptors[0] = {kScratch, bytes, 0, 0};
        offer(balloon, kInflate, 0);
        ++result.made;
        if (!balloon.waits_until_broken()) {
            result.outcome = "went_on";
        }
        balloon.set(Register::kStatus, 0);
    }
    // Free pages that are not whole pages.
    const Device balloon(Slot::kBalloon);
    balloon.start();
    ring_of(kReporting).descriptors[0] = {kScratch + 1, 4095, kNext | kWrite, 1};
    ring_of(kReporting).descriptors[1] = {kScratch + 0x2003, 9000, kWrite, 0};
    offer(balloon, kReporting, 0);
    ++result.made;
    return balloon.waits_until_used(ring_of(kReporting), 1) ? result : Result{result.made, "dead"};
}

constexpr Attack kAttacks[] = {
    {"block_beyond_the_disk", beyond_the_disk},
    {"block_odd_lengths", odd_lengths},
    {"block_writes_to_the_read_only_disk", writes_to_the_read_only_disk},
    {"block_unknown_requests", unknown_requests},
    {"block_ranges_beyond_the_disk", ranges_beyond_the_disk},
    {"block_no_place_for_the_status", requests_without_a_place_for_their_status},
    {"block_data_over_the_ring", data_over_the_ring},
    {"block_request_flood", request_flood},
    {"balloon_and_memory_bomb", balloon_and_memory_bomb},
    {"balloon_pages_that_are_no_memory", balloon_pages_that_are_no_memory},
    {"balloon_buffers_that_are_no_arrays", balloon_buffers_that_are_no_arrays},
};

}  // namespace

Attacks disk_attacks() {
    return {kAttacks, sizeof kAttacks / sizeof kAttacks[0]};
}

}  // namespace hostile
