// Packets that lie: addresses, operations, lengths and credit; and connections by the ten thousand.
// The host's end takes connections to two ports, says nothing on the one and much on the other, and
// reads nothing from either.
#include "attack.h"
#include "driver.h"

namespace hostile {
namespace {

constexpr uint64_t kHost = 2;
constexpr uint64_t kGuest = 3;
// Where hostile_machine.cc listens.
constexpr uint32_t kSilentPort = 5000;
constexpr uint32_t kTalkingPort = 5001;
constexpr uint32_t kOpenPorts = 2;

constexpr uint16_t kRequest = 1;
constexpr uint16_t kResponse = 2;
constexpr uint16_t kReset = 3;
constexpr uint16_t kShutdown = 4;
constexpr uint16_t kData = 5;
constexpr uint16_t kCreditUpdate = 6;
constexpr uint16_t kCreditRequest = 7;

// virtio 1.2 §5.10.6.
struct [[gnu::packed]] Packet {
    uint64_t source_cid = kGuest;
    uint64_t destination_cid = kHost;
    uint32_t source_port = 1;
    uint32_t destination_port = kSilentPort;
    uint32_t length = 0;
    uint16_t type = 1;
    uint16_t operation = kRequest;
    uint32_t flags = 0;
    uint32_t buffer_size = 65536;
    uint32_t forwarded = 0;
};
static_assert(sizeof(Packet) == 44);

constexpr uint32_t kReceive = 0;
constexpr uint32_t kTransmit = 1;
constexpr uint64_t kReceiveBuffers = kScratch;  // one each 4 KiB
constexpr uint64_t kSendBuffers = kScratch + (uint64_t{1} << 20);
constexpr uint64_t kPayload = kScratch + (uint64_t{2} << 20);

class Vsock {
  public:
    enum class Receiving : uint8_t { kYes, kNo };
    explicit Vsock(Receiving receiving = Receiving::kYes) {
        device_.start();
        if (receiving == Receiving::kYes) {
            give_receive_buffers();
        }
    }
    ~Vsock() { device_.set(Register::kStatus, 0); }
    Vsock(const Vsock&) = delete;
    Vsock& operator=(const Vsock&) = delete;

    void give_receive_buffers() const {
        Ring& ring = ring_of(kReceive);
        for (uint16_t i = 0; i < ring.size; ++i) {
            ring.descriptors[i] = {kReceiveBuffers + i * uint64_t{4096}, 4096, kWrite, 0};
            offer(device_, kReceive, i);
        }
    }

    // The packet, and `payload` bytes of something; waits until the device has taken them.
    void send(const Packet& packet, uint32_t payload = 0) {
        send_cut(packet, sizeof packet, payload);
    }
    // Only `bytes` of its header.
    void send_cut(const Packet& packet, uint32_t bytes, uint32_t payload) {
        Ring& ring = ring_of(kTransmit);
        const auto head = static_cast<uint16_t>((sent_ * 2) % ring.size);
        const uint64_t buffer = kSendBuffers + head * uint64_t{64};
        *reinterpret_cast<Packet*>(buffer) = packet;
        const uint16_t next = static_cast<uint16_t>(head + 1);
        ring.descriptors[head] = {buffer, bytes, payload != 0 ? kNext : uint16_t{0}, next};
        ring.descriptors[next] = {kPayload, payload, 0, 0};
        offer(device_, kTransmit, head);
        ++sent_;
        static_cast<void>(device_.waits_until_used(ring, 1));
    }

    // The operation of the next packet from the host, or 0 when none is there. A device answers
    // while it takes the buffer, and its lock is held until then: one look at a register waits for
    // it. More looks wait for what comes by itself.
    uint16_t answer(uint32_t looks = 1) {
        Ring& ring = ring_of(kReceive);
        for (; looks > 0 && ring.used.index == ring.seen; --looks) {
            static_cast<void>(device_.get(Register::kStatus));
        }
        if (ring.used.index == ring.seen) {
            return 0;
        }
        const UsedElement used = ring.used.ring[ring.seen % ring.size];
        ++ring.seen;
        const auto* const packet =
            reinterpret_cast<const Packet*>(kReceiveBuffers + used.head * uint64_t{4096});
        last_ = *packet;
        offer(device_, kReceive, static_cast<uint16_t>(used.head));
        return last_.operation;
    }
    // Whether a connection can be had, and is.
    bool opens(uint32_t source_port, uint32_t port = kSilentPort) {
        Packet request;
        request.destination_port = port;
        request.source_port = source_port;
        send(request);
        return answer() == kResponse;
    }

    [[nodiscard]] const Packet& last() const { return last_; }
    [[nodiscard]] const Device& device() const { return device_; }

  private:
    Device device_{Slot::kVsock};
    uint64_t sent_ = 0;
    Packet last_;
};

Result others_addresses(const Surroundings&) {
    Result result{0, "dropped"};
    Vsock vsock;
    for (const uint64_t cid :
         {uint64_t{0}, uint64_t{1}, kGuest, uint64_t{4}, kHost | uint64_t{1} << 32, ~uint64_t{0}}) {
        for (const bool as_source : {false, true}) {
            Packet packet;
            if (!as_source) {
                packet.destination_cid = cid;
            } else if (cid != kGuest) {
                packet.source_cid = cid;
            } else {
                continue;  // that is who we are
            }
            vsock.send(packet);
            ++result.made;
            if (vsock.answer() != 0) {
                result.outcome = "answered";
            }
        }
    }
    return vsock.opens(9) ? result : Result{result.made, "dead"};
}

Result other_types(const Surroundings&) {
    Result result{0, "reset"};
    Vsock vsock;
    for (const uint16_t type : {uint16_t{0}, uint16_t{2}, uint16_t{3}, uint16_t{0xffff}}) {
        Packet packet;
        packet.type = type;
        vsock.send(packet);
        ++result.made;
        if (vsock.answer() != kReset) {
            result.outcome = "not_reset";
        }
    }
    return vsock.opens(9) ? result : Result{result.made, "dead"};
}

// To a connection that is open, and to none.
Result other_operations(const Surroundings&) {
    Result result{0, "reset"};
    Vsock vsock;
    for (const uint16_t operation : {uint16_t{0}, kResponse, kData, kCreditUpdate, kCreditRequest,
                                     kShutdown, uint16_t{8}, uint16_t{0xffff}}) {
        Packet packet;
        packet.source_port = 100;
        packet.operation = operation;
        vsock.send(packet);
        ++result.made;
        if (vsock.answer() != kReset) {
            result.outcome = "not_reset";
        }
    }
    uint32_t port = 200;
    for (const uint16_t operation :
         {uint16_t{0}, kRequest, kResponse, uint16_t{8}, uint16_t{0xffff}}) {
        if (!vsock.opens(++port)) {
            return {result.made, "dead"};
        }
        Packet packet;
        packet.source_port = port;
        packet.operation = operation;
        vsock.send(packet);
        ++result.made;
        if (vsock.answer() != kReset) {
            result.outcome = "not_reset";
        }
    }
    return vsock.opens(9) ? result : Result{result.made, "dead"};
}

Result lengths_beyond_the_chain(const Surroundings&) {
    Result result{0, "reset"};
    Vsock vsock;
    uint32_t port = 300;
    for (const uint32_t length : {1U, 4097U, 0x7fffffffU, 0xffffffd4U, 0xffffffffU}) {
        if (!vsock.opens(++port)) {
            return {result.made, "dead"};
        }
        Packet packet;
        packet.source_port = port;
        packet.operation = kData;
        packet.length = length;
        vsock.send(packet, length == 1 ? 0 : 4096);
        ++result.made;
        if (vsock.answer() != kReset) {
            result.outcome = "not_reset";
        }
    }
    for (const uint32_t bytes : {0U, 1U, 43U}) {
        vsock.send_cut({}, bytes, 0);
        ++result.made;
        if (vsock.answer() != 0) {
            result.outcome = "answered";
        }
    }
    return vsock.opens(9) ? result : Result{result.made, "dead"};
}

// More than the host announced room for: it holds what it announced, and no byte more.
Result credit_overrun(const Surroundings&) {
    constexpr uint32_t kPiece = 64 * 1024;
    constexpr uint32_t kMostPieces = 1024;
    Vsock vsock;
    if (!vsock.opens(400)) {
        return {0, "dead"};
    }
    Packet packet;
    packet.source_port = 400;
    packet.operation = kData;
    packet.length = kPiece;
    for (uint32_t pieces = 1; pieces <= kMostPieces; ++pieces) {
        vsock.send(packet, kPiece);
        for (uint16_t said = vsock.answer(); said != 0; said = vsock.answer()) {
            if (said == kReset) {
                return {pieces, vsock.opens(9) ? "reset" : "dead"};
            }
        }
    }
    return {kMostPieces, "endless"};
}

// What the guest says of its own room, moved back and forth while the host has bytes for it.
Result credit_lies(const Surroundings&) {
    Result result{0, "survived"};
    Vsock vsock;
    uint32_t port = 500;
    for (const uint32_t room : {0U, 1U, 0x7fffffffU, 0xffffffffU}) {
        for (const uint32_t forwarded : {0U, 1U, 0x80000000U, 0xffffffffU}) {
            if (!vsock.opens(++port, kTalkingPort)) {
                return {result.made, "dead"};
            }
            Packet packet;
            packet.destination_port = kTalkingPort;
            packet.source_port = port;
            packet.operation = kCreditUpdate;
            packet.buffer_size = room;
            packet.forwarded = forwarded;
            vsock.send(packet);
            packet.operation = kCreditRequest;
            vsock.send(packet);
            packet.operation = kReset;
            vsock.send(packet);
            while (vsock.answer() != 0) {
            }
            result.made += 2;
        }
    }
    return vsock.opens(9) ? result : Result{result.made, "dead"};
}

// 100,000 connections of which the guest never hears that they are open.
Result half_open_connections(const Surroundings&) {
    constexpr uint32_t kConnections = 100'000;
    constexpr uint32_t kMost = 1024;  // of either; virtio/vsock/muxer.h
    Result result{0, "bounded"};
    {
        Vsock vsock(Vsock::Receiving::kNo);
        const Device& device = vsock.device();
        Ring& ring = ring_of(kTransmit);
        for (uint32_t port = 0; port < kConnections;) {
            // A ring at a time: there is no need to wait for each.
            for (uint16_t i = 0; i < ring.size; ++i, ++port) {
                const uint64_t buffer = kSendBuffers + i * uint64_t{64};
                Packet request;
                request.source_port = 1000 + port;
                *reinterpret_cast<Packet*>(buffer) = request;
                ring.descriptors[i] = {buffer, sizeof request, 0, 0};
                ring.available.ring[(ring.available.index + i) % ring.size] = i;
            }
            asm volatile("" : : : "memory");
            ring.available.index = static_cast<uint16_t>(ring.available.index + ring.size);
            device.notify(kTransmit);
            if (!device.waits_until_used(ring, ring.size)) {
                return {port, "dead"};
            }
            result.made = port;
        }
        // What waits for the guest now is bounded: answers to connections, and resets.
        vsock.give_receive_buffers();
        uint32_t accepted = 0;
        uint32_t refused = 0;
        constexpr uint32_t kLooks = 5000;
        for (uint16_t said = vsock.answer(kLooks); said != 0; said = vsock.answer(kLooks)) {
            ++(said == kResponse ? accepted : refused);
        }
        print("half open: accepted ");
        print(uint64_t{accepted});
        print(", refused ");
        print(uint64_t{refused});
        print("\n");
        if (accepted == 0 || accepted > kMost || refused > kMost) {
            result.outcome = "endless";
        }
    }
    Vsock vsock;
    return vsock.opens(9) ? result : Result{result.made, "dead"};
}

// "two_ports": of the first 1,100 ports, and some above, two lead somewhere.
Result port_sweep(const Surroundings&) {
    Result result{0, "two_ports"};
    Vsock vsock;
    uint32_t open = 0;
    const auto try_port = [&](uint32_t port) {
        Packet request;
        request.source_port = 7;
        request.destination_port = port;
        vsock.send(request);
        ++result.made;
        uint16_t said = vsock.answer();
        while (said == kData || said == kCreditRequest) {  // of the one that talks, until its reset
            said = vsock.answer();
        }
        if (said == kResponse) {
            ++open;
            request.operation = kReset;
            vsock.send(request);
        } else if (said != kReset) {
            result.outcome = "silent";
        }
    };
    for (uint32_t port = 0; port < 1100; ++port) {
        try_port(port);
    }
    try_port(kSilentPort);
    try_port(kTalkingPort);
    for (uint32_t bit = 13; bit < 32; ++bit) {
        try_port(1U << bit);
        try_port((1U << bit) - 1);
    }
    try_port(0xffffffff);
    return open == kOpenPorts ? result : Result{result.made, "other_ports"};
}

Result receive_buffers_without_room(const Surroundings&) {
    Result result{0, "stopped"};
    for (const uint32_t room : {0U, 4U, 43U}) {
        Vsock vsock(Vsock::Receiving::kNo);
        ring_of(kReceive).descriptors[0] = {kReceiveBuffers, room, kWrite, 0};
        offer(vsock.device(), kReceive, 0);
        Packet packet;
        packet.type = 9;  // is answered
        vsock.send(packet);
        ++result.made;
        if (!vsock.device().waits_until_broken()) {
            result.outcome = "went_on";
        }
    }
    Vsock vsock;
    return vsock.opens(9) ? result : Result{result.made, "dead"};
}

Result shutdown_and_reset_storm(const Surroundings&) {
    Result result{0, "survived"};
    Vsock vsock;
    for (uint32_t i = 0; i < 600; ++i) {
        Packet packet;
        packet.source_port = 600 + i % 8;
        packet.operation = i % 3 == 0 ? kRequest : i % 3 == 1 ? kShutdown : kReset;
        packet.flags = i % 5 == 0 ? 0xffffffff : i % 4;
        vsock.send(packet);
        ++result.made;
        while (vsock.answer() != 0) {
        }
    }
    return vsock.opens(9) ? result : Result{result.made, "dead"};
}

// To the supervisor's own port: a frame that says it is 4 GiB long. Ends the sandbox.
Result report_of_4_gib(const Surroundings&) {
    constexpr uint32_t kReadyPort = 1024;
    Vsock vsock;
    Packet packet;
    packet.destination_port = kReadyPort;
    vsock.send(packet);
    if (vsock.answer() != kResponse) {
        return {0, "dead"};
    }
    __builtin_memset(reinterpret_cast<void*>(kPayload), 0xff, 4096);
    packet.operation = kData;
    packet.length = 4096;
    vsock.send(packet, 4096);
    return {1, "sent"};
}

constexpr Attack kAttacks[] = {
    {"vsock_others_addresses", others_addresses},
    {"vsock_other_types", other_types},
    {"vsock_other_operations", other_operations},
    {"vsock_lengths_beyond_the_chain", lengths_beyond_the_chain},
    {"vsock_credit_overrun", credit_overrun},
    {"vsock_credit_lies", credit_lies},
    {"vsock_half_open_connections", half_open_connections},
    {"vsock_port_sweep", port_sweep},
    {"vsock_receive_buffers_without_room", receive_buffers_without_room},
    {"vsock_shutdown_and_reset_storm", shutdown_and_reset_storm},
    {"report_of_4_gib", report_of_4_gib},
};

}  // namespace

Attacks vsock_attacks() {
    return {kAttacks, sizeof kAttacks / sizeof kAttacks[0]};
}

}  // namespace hostile
