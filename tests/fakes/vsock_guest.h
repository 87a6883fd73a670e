// The guest's end of vsock in a test: sends raw packets, keeps receive buffers filled, and collects
// what comes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "guest_driver.h"
#include "virtio/vsock/packet.h"

namespace anchorhold::fakes {

constexpr uint64_t kTestCid = 3;

struct ReceivedPacket {
    virtio::PacketHeader header;
    std::vector<std::byte> payload;

    [[nodiscard]] virtio::Operation operation() const {
        return static_cast<virtio::Operation>(static_cast<uint16_t>(header.operation));
    }
};

// What a test wants to say in a header; the rest is as a well-behaved guest fills it.
struct Say {
    virtio::Operation operation = virtio::Operation::kData;
    uint32_t guest_port = 0;
    uint32_t host_port = 0;
    uint32_t flags = 0;
    uint32_t buffer_size = 64 * 1024;
    uint32_t forwarded = 0;
    std::string_view payload = {};
};

class VsockGuest {
  public:
    static constexpr size_t kReceive = 0;
    static constexpr size_t kTransmit = 1;
    static constexpr size_t kEvent = 2;

    VsockGuest(Bench& bench, GuestDriver& driver) : bench_(bench), driver_(driver) {}

    [[nodiscard]] static virtio::PacketHeader header(const Say& say);
    // Sends a packet in one chain, kicks, and runs the loop.
    void send(const Say& say);
    // A header and payload that need not fit each other, in one chain of two descriptors.
    void send_raw(const virtio::PacketHeader& header, std::string_view payload);
    // Gives `count` receive buffers of `size` bytes and kicks.
    void give_buffers(size_t count, uint32_t size = 4096);
    void give_event_buffers(size_t count);

    // The next packet the device put into a receive buffer, if any. Its buffer is not given back.
    std::optional<ReceivedPacket> receive();
    // Events delivered so far and not yet taken; does not give the buffer back.
    std::optional<uint32_t> receive_event();
    [[nodiscard]] bool nothing_received();

  private:
    struct Posted {
        memory::GuestAddress address;
        uint32_t size = 0;
    };
    Bench& bench_;
    GuestDriver& driver_;
    std::vector<Posted> posted_ = std::vector<Posted>(256);
    std::vector<Posted> events_ = std::vector<Posted>(256);
    std::vector<Posted> spare_;
    std::optional<memory::GuestAddress> scratch_;
};

}  // namespace anchorhold::fakes
