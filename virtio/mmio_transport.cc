// Register reads and writes, dispatched by offset; the status byte drives everything else.
#include "virtio/mmio_transport.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "base/log.h"

namespace anchorhold::virtio {
namespace {

// §4.2.2, table "MMIO Device Register Layout".
enum Register : uint64_t {
    kMagicValue = 0x000,
    kVersion = 0x004,
    kDeviceId = 0x008,
    kVendorId = 0x00c,
    kDeviceFeatures = 0x010,
    kDeviceFeaturesSelect = 0x014,
    kDriverFeatures = 0x020,
    kDriverFeaturesSelect = 0x024,
    kQueueSelect = 0x030,
    kQueueSizeMax = 0x034,
    kQueueSize = 0x038,
    kQueueReady = 0x044,
    kQueueNotify = kQueueNotifyRegister,
    kInterruptStatus = 0x060,
    kInterruptAcknowledge = 0x064,
    kStatus = 0x070,
    kQueueDescriptorsLow = 0x080,
    kQueueDescriptorsHigh = 0x084,
    kQueueDriverLow = 0x090,
    kQueueDriverHigh = 0x094,
    kQueueDeviceLow = 0x0a0,
    kQueueDeviceHigh = 0x0a4,
    kSharedMemoryLengthLow = 0x0b0,
    kSharedMemoryLengthHigh = 0x0b4,
    kSharedMemoryBaseLow = 0x0b8,
    kSharedMemoryBaseHigh = 0x0bc,
    kConfigGeneration = 0x0fc,
};

constexpr uint32_t kMagic = 0x74726976;   // "virt"
constexpr uint32_t kVendor = 0x484e4341;  // "ACNH"
constexpr uint32_t kInterruptUsed = 1;    // §4.2.2, InterruptStatus bit 0
constexpr uint32_t kInterruptConfig = 2;  // bit 1
constexpr uint64_t kFaultsLogged = 8;

void set_low(uint64_t& value, uint32_t low) {
    value = (value & ~uint64_t{UINT32_MAX}) | low;
}
void set_high(uint64_t& value, uint32_t high) {
    value = (value & UINT32_MAX) | (uint64_t{high} << 32);
}

bool config_width(size_t bytes) {
    return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
}

}  // namespace

MmioTransport::MmioTransport(Device& device, const memory::GuestMemory& memory, IrqLine& irq,
                             EventLoop& loop, DeviceLock& lock)
    : device_(device), memory_(memory), irq_(irq), serve_kicked_(loop, lock, [this] {
          for (size_t i = 0; kicked_ != 0 && i < queues_.size(); ++i) {
              if ((kicked_ & (1U << i)) != 0) {
                  kicked_ &= ~(1U << i);
                  process_queue(i);
              }
          }
          kicked_ = 0;
      }) {
    for (const uint16_t size : device.queue_sizes()) {
        queues_.emplace_back(size);
    }
}

uint64_t MmioTransport::offered_features() const {
    return device_.features() | kFeatureVersion1 | kFeatureIndirectDescriptors | kFeatureEventIndex;
}

void MmioTransport::read(uint64_t offset, std::span<std::byte> out) {
    std::fill(out.begin(), out.end(), std::byte{0});
    if (offset >= kRegisterSpace && offset < kMmioWindowSize && config_width(out.size())) {
        device_.read_config(offset - kRegisterSpace, out);
    } else if (offset < kRegisterSpace && out.size() == 4 && offset % 4 == 0) {
        const uint32_t value = read_register(offset);
        std::memcpy(out.data(), &value, sizeof value);
    } else {
        ++refused_accesses_;
    }
}

void MmioTransport::write(uint64_t offset, std::span<const std::byte> bytes) {
    if (offset >= kRegisterSpace && offset < kMmioWindowSize && config_width(bytes.size())) {
        // §3.1.1: not before the driver has said that it is there.
        if (has_status(kStatusDriver)) {
            device_.write_config(offset - kRegisterSpace, bytes);
        }
    } else if (offset < kRegisterSpace && bytes.size() == 4 && offset % 4 == 0) {
        uint32_t value = 0;
        std::memcpy(&value, bytes.data(), sizeof value);
        write_register(offset, value);
    } else {
        ++refused_accesses_;
    }
}

uint32_t MmioTransport::read_register(uint64_t offset) const {
    const Queue* queue = queue_select_ < queues_.size() ? &queues_[queue_select_] : nullptr;
    switch (offset) {
        case kMagicValue:
            return kMagic;
        case kVersion:
            return 2;
        case kDeviceId:
            return static_cast<uint32_t>(device_.type());
        case kVendorId:
            return kVendor;
        case kDeviceFeatures:
            return device_features_select_ < 2
                       ? static_cast<uint32_t>(offered_features() >> (32 * device_features_select_))
                       : 0;
        case kQueueSizeMax:
            return queue != nullptr ? queue->max_size() : 0;
        case kQueueReady:
            return queue != nullptr && queue->config().ready ? 1 : 0;
        case kInterruptStatus:
            return interrupt_status_;
        case kStatus:
            return status_;
        case kSharedMemoryLengthLow:
        case kSharedMemoryLengthHigh:
        case kSharedMemoryBaseLow:
        case kSharedMemoryBaseHigh:
            return UINT32_MAX;  // §4.2.2.1: there is no such region
        case kConfigGeneration:
            return config_generation_;
        default:
            return 0;
    }
}

void MmioTransport::write_register(uint64_t offset, uint32_t value) {
    switch (offset) {
        case kDeviceFeaturesSelect:
            device_features_select_ = value;
            break;
        case kDriverFeaturesSelect:
            driver_features_select_ = value;
            break;
        case kDriverFeatures:
            // §3.1.1: negotiation is between DRIVER and FEATURES_OK.
            if (has_status(kStatusDriver) && !has_status(kStatusFeaturesOk)) {
                if (driver_features_select_ == 0) {
                    set_low(driver_features_, value);
                } else if (driver_features_select_ == 1) {
                    set_high(driver_features_, value);
                }
            }
            break;
        case kQueueSelect:
            queue_select_ = value;
            break;
        case kQueueNotify:
            notify(value);
            break;
        case kInterruptAcknowledge:
            interrupt_status_ &= ~value;
            break;
        case kStatus:
            write_status(value);
            break;
        default:
            write_queue_register(offset, value);
            break;
    }
}

void MmioTransport::write_queue_register(uint64_t offset, uint32_t value) {
    // Fixed once the device is live: what a queue was checked with is what it runs with.
    if (queue_select_ >= queues_.size() || !has_status(kStatusFeaturesOk) ||
        has_status(kStatusDriverOk)) {
        return;
    }
    QueueConfig& config = queues_[queue_select_].config();
    if (offset == kQueueReady) {
        config.ready = (value & 1) != 0;
        return;
    }
    if (config.ready) {
        return;
    }
    switch (offset) {
        case kQueueSize:
            config.size = static_cast<uint16_t>(std::min<uint32_t>(value, UINT16_MAX));
            break;
        case kQueueDescriptorsLow:
            set_low(config.descriptors, value);
            break;
        case kQueueDescriptorsHigh:
            set_high(config.descriptors, value);
            break;
        case kQueueDriverLow:
            set_low(config.available, value);
            break;
        case kQueueDriverHigh:
            set_high(config.available, value);
            break;
        case kQueueDeviceLow:
            set_low(config.used, value);
            break;
        case kQueueDeviceHigh:
            set_high(config.used, value);
            break;
        default:
            break;
    }
}

void MmioTransport::write_status(uint32_t value) {
    if (value == 0) {
        reset();
        return;
    }
    // §2.1.1: the driver sets bits one after the other and clears none but by a reset.
    const uint32_t added = value & ~status_;
    const uint32_t held = status_ & ~kStatusNeedsReset;  // that one is the device's own
    if ((value & held) != held) {
        return;
    }
    if ((added & kStatusFailed) != 0) {
        status_ |= kStatusFailed;
        return;
    }
    if ((added & kStatusAcknowledge) != 0) {
        status_ |= kStatusAcknowledge;
    }
    if ((added & kStatusDriver) != 0 && has_status(kStatusAcknowledge)) {
        status_ |= kStatusDriver;
    }
    if ((added & kStatusFeaturesOk) != 0 && has_status(kStatusDriver)) {
        // §2.2.2, §6.1: a subset of the offer, and VERSION_1 in it; else the bit stays clear and
        // the driver gives up.
        if ((driver_features_ & ~offered_features()) == 0 &&
            (driver_features_ & kFeatureVersion1) != 0) {
            status_ |= kStatusFeaturesOk;
        }
    }
    if ((added & kStatusDriverOk) != 0 && has_status(kStatusFeaturesOk) &&
        !has_status(kStatusNeedsReset)) {
        status_ |= kStatusDriverOk;
        activate();
    }
}

bool MmioTransport::activate() {
    for (Queue& queue : queues_) {
        if (!queue.config().ready) {
            continue;
        }
        if (const Status status = queue.activate(memory_, driver_features_); !status) {
            fail_device(status.error().message);
            return false;
        }
    }
    active_ = true;
    device_.activate({driver_features_, queues_, this});
    // Whatever the driver made available before DRIVER_OK had no kick that counted.
    for (uint32_t i = 0; i < queues_.size(); ++i) {
        notify(i);
    }
    return true;
}

void MmioTransport::reset() {
    active_ = false;
    device_.reset();
    for (Queue& queue : queues_) {
        queue.reset();
    }
    driver_features_ = 0;
    device_features_select_ = 0;
    driver_features_select_ = 0;
    queue_select_ = 0;
    status_ = 0;
    interrupt_status_ = 0;
    kicked_ = 0;
}

void MmioTransport::notify(uint32_t index) {
    if (active_ && index < queues_.size()) {
        kicked_ |= 1U << index;
        serve_kicked_.schedule();
    }
}

void MmioTransport::process_queue(size_t index) {
    if (active_ && index < queues_.size() && queues_[index].active()) {
        device_.process_queue(index);
    }
}

void MmioTransport::signal_used(size_t) {
    if (!active_ || has_status(kStatusNeedsReset)) {
        return;
    }
    interrupt_status_ |= kInterruptUsed;
    irq_.raise();
}

void MmioTransport::signal_config() {
    // §4.2.2: the generation changes with every change that a driver could read half of.
    ++config_generation_;
    if (has_status(kStatusDriverOk)) {
        interrupt_status_ |= kInterruptConfig;
        irq_.raise();
    }
}

void MmioTransport::fail_device(std::string_view reason) {
    if (has_status(kStatusNeedsReset)) {
        return;
    }
    // A guest can do this all day; the log hears of it only so often.
    if (faults_++ < kFaultsLogged) {
        log::warning("virtio device {}: {}; it stops until the driver resets it",
                     static_cast<uint32_t>(device_.type()), reason);
    }
    status_ |= kStatusNeedsReset;
    for (Queue& queue : queues_) {
        queue.stop("the device needs a reset");
    }
    signal_config();
}

MmioTransportState MmioTransport::save() const {
    MmioTransportState state{
        driver_features_, device_features_select_, driver_features_select_, queue_select_,
        status_,          interrupt_status_,       config_generation_,      {}};
    for (const Queue& queue : queues_) {
        state.queues.push_back(queue.save());
    }
    return state;
}

Status MmioTransport::restore(const MmioTransportState& state) {
    if (state.queues.size() != queues_.size()) {
        return fail("device state: " + std::to_string(state.queues.size()) + " queues, this has " +
                    std::to_string(queues_.size()));
    }
    if ((state.driver_features & ~offered_features()) != 0) {
        return fail("device state: features that this device does not offer");
    }
    driver_features_ = state.driver_features;
    device_features_select_ = state.device_features_select;
    driver_features_select_ = state.driver_features_select;
    queue_select_ = state.queue_select;
    status_ = state.status;
    interrupt_status_ = state.interrupt_status;
    config_generation_ = state.config_generation;
    for (size_t i = 0; i < queues_.size(); ++i) {
        queues_[i].config() = state.queues[i].config;
    }
    if (!has_status(kStatusDriverOk) || has_status(kStatusNeedsReset)) {
        return {};
    }
    if (!activate()) {
        return fail("device state: its queues are not usable");
    }
    for (size_t i = 0; i < queues_.size(); ++i) {
        if (queues_[i].active()) {
            ANCHORHOLD_TRY(queues_[i].restore(state.queues[i]));
        }
    }
    return {};
}

void MmioTransport::reraise() {
    if (interrupt_status_ != 0) {
        irq_.raise();
    }
}

}  // namespace anchorhold::virtio
