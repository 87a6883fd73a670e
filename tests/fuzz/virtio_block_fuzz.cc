// Block requests of a driver without manners; the disk checks that nothing outside its bounds is
// asked of it.
#include <cstdlib>

#include "base/log.h"
#include "ring_fuzzer.h"
#include "virtio/block/block_device.h"

namespace {

using namespace anchorhold;

class CheckingDisk final : public virtio::Disk {
  public:
    [[nodiscard]] uint64_t capacity() const override { return 64 * 512; }
    void set_client(virtio::DiskClient* client) override { client_ = client; }
    std::optional<int> submit(virtio::DiskJob job) override {
        uint64_t bytes = 0;
        for (const iovec& piece : job.segments) {
            // Touches every byte, so that a sanitizer sees a piece that is not guest memory.
            auto* const start = static_cast<volatile uint8_t*>(piece.iov_base);
            for (size_t i = 0; i < piece.iov_len; ++i) {
                start[i] = start[i];
            }
            bytes += piece.iov_len;
        }
        if (job.offset > capacity() || job.length > capacity() - job.offset ||
            (!job.segments.empty() && bytes != job.length)) {
            std::abort();
        }
        if (job.tag % 3 == 0) {
            held_.push_back(job.tag);
            return std::nullopt;
        }
        return job.tag % 5 == 0 ? 5 : 0;
    }
    void cancel_all() override { held_.clear(); }
    void complete_one() {
        if (!held_.empty()) {
            const uint64_t tag = held_.back();
            held_.pop_back();
            client_->disk_completed(tag, 0);
        }
    }

  private:
    virtio::DiskClient* client_ = nullptr;
    std::vector<uint64_t> held_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    log::configure("fuzz", log::Level::kOff);
    fuzz::FuzzInput input(data, size);
    fakes::Bench bench;
    CheckingDisk disk;
    const auto options = input.take<uint8_t>();
    virtio::BlockDevice device(
        disk,
        {(options & 1) != 0 ? virtio::DiskAccess::kReadWrite : virtio::DiskAccess::kReadOnly, "f"},
        *bench.loop, bench.lock);
    virtio::MmioTransport transport(device, *bench.memory, bench.irq, *bench.loop, bench.lock);
    fakes::GuestDriver driver(bench, transport);
    driver.start();
    while (!input.empty()) {
        fuzz::ring_step(bench, driver, 1, input);
        disk.complete_one();
    }
    driver.write(0x70, 0);
    bench.settle();
    return 0;
}
