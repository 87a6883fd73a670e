// Builds the table front to back; sizes and checksums are filled in last.
#include "vmm/boot/mp_table.h"

#include <cstring>
#include <numeric>
#include <span>

#include "base/check.h"
#include "base/endian.h"
#include "vmm/layout.h"

namespace anchorhold::vmm {
namespace {

// §4.1
struct FloatingPointer {
    char signature[4];
    Le32 table_address;
    uint8_t length;  // in 16-byte units
    uint8_t revision;
    uint8_t checksum;
    uint8_t features[5];
};
static_assert(sizeof(FloatingPointer) == 16);

// §4.2
struct TableHeader {
    char signature[4];
    Le16 length;
    uint8_t revision;
    uint8_t checksum;
    char oem_id[8];
    char product_id[12];
    Le32 oem_table;
    Le16 oem_table_size;
    Le16 entry_count;
    Le32 local_apic_address;
    Le16 extended_length;
    uint8_t extended_checksum;
    uint8_t reserved;
};
static_assert(sizeof(TableHeader) == 44);

// §4.3.1
struct ProcessorEntry {
    uint8_t type;
    uint8_t local_apic_id;
    uint8_t local_apic_version;
    uint8_t flags;
    Le32 signature;
    Le32 features;
    Le32 reserved[2];
};
static_assert(sizeof(ProcessorEntry) == 20);

// §4.3.2
struct BusEntry {
    uint8_t type;
    uint8_t bus_id;
    char bus_type[6];
};
static_assert(sizeof(BusEntry) == 8);

// §4.3.3
struct IoApicEntry {
    uint8_t type;
    uint8_t io_apic_id;
    uint8_t version;
    uint8_t flags;
    Le32 address;
};
static_assert(sizeof(IoApicEntry) == 8);

// §4.3.4 and §4.3.5
struct InterruptEntry {
    uint8_t type;
    uint8_t interrupt_type;
    Le16 flags;  // 0: polarity and trigger mode of the source bus
    uint8_t source_bus;
    uint8_t source_interrupt;
    uint8_t destination_apic;
    uint8_t destination_pin;
};
static_assert(sizeof(InterruptEntry) == 8);

enum EntryType : uint8_t { kProcessor, kBus, kIoApic, kIoInterrupt, kLocalInterrupt };
enum InterruptType : uint8_t { kVectored = 0, kNmi = 1, kExternal = 3 };
constexpr uint8_t kEnabled = 1;
constexpr uint8_t kBootProcessor = 2;
constexpr uint8_t kRevision = 4;        // version 1.4
constexpr uint8_t kApicVersion = 0x14;  // what KVM's local APIC reports
constexpr uint8_t kIoApicVersion = 0x11;
constexpr uint8_t kIsaBus = 0;
constexpr uint8_t kIsaInterrupts = 16;
constexpr uint8_t kAllApics = 0xff;
constexpr uint32_t kFeatures = 0x201;  // FPU and APIC on chip
constexpr uint32_t kSignature = 0x600;

template <typename T>
void append(std::vector<std::byte>& out, const T& entry) {
    const auto bytes = std::as_bytes(std::span(&entry, 1));
    out.insert(out.end(), bytes.begin(), bytes.end());
}

// The byte that makes all of them add up to zero.
uint8_t checksum(std::span<const std::byte> bytes) {
    const unsigned total = std::accumulate(
        bytes.begin(), bytes.end(), 0U,
        [](unsigned sum, std::byte b) { return sum + std::to_integer<unsigned>(b); });
    return static_cast<uint8_t>(0U - total);
}

// Appends every entry in the order of types that the specification asks for; returns how many.
uint16_t append_entries(std::vector<std::byte>& out, uint32_t vcpus) {
    uint16_t count = 0;
    const auto add = [&](const auto& entry) {
        append(out, entry);
        ++count;
    };
    const auto io_apic_id = static_cast<uint8_t>(vcpus);
    for (uint32_t index = 0; index < vcpus; ++index) {
        add(ProcessorEntry{
            .type = kProcessor,
            .local_apic_id = static_cast<uint8_t>(index),
            .local_apic_version = kApicVersion,
            .flags = static_cast<uint8_t>(index == 0 ? kEnabled | kBootProcessor : kEnabled),
            .signature = kSignature,
            .features = kFeatures,
            .reserved = {}});
    }
    add(BusEntry{.type = kBus, .bus_id = kIsaBus, .bus_type = {'I', 'S', 'A', ' ', ' ', ' '}});
    add(IoApicEntry{.type = kIoApic,
                    .io_apic_id = io_apic_id,
                    .version = kIoApicVersion,
                    .flags = kEnabled,
                    .address = static_cast<uint32_t>(layout::kIoApic)});
    for (uint8_t interrupt = 0; interrupt < kIsaInterrupts; ++interrupt) {
        add(InterruptEntry{.type = kIoInterrupt,
                           .interrupt_type = kVectored,
                           .flags = 0,
                           .source_bus = kIsaBus,
                           .source_interrupt = interrupt,
                           .destination_apic = io_apic_id,
                           .destination_pin = interrupt});
    }
    for (const uint8_t pin : {uint8_t{0}, uint8_t{1}}) {
        add(InterruptEntry{.type = kLocalInterrupt,
                           .interrupt_type = static_cast<uint8_t>(pin == 0 ? kExternal : kNmi),
                           .flags = 0,
                           .source_bus = kIsaBus,
                           .source_interrupt = 0,
                           .destination_apic = static_cast<uint8_t>(pin == 0 ? 0 : kAllApics),
                           .destination_pin = pin});
    }
    return count;
}

}  // namespace

std::vector<std::byte> mp_table(uint32_t vcpus) {
    ANCHORHOLD_CHECK(vcpus >= 1 && vcpus <= layout::kMaxVcpus);
    FloatingPointer pointer{
        .signature = {'_', 'M', 'P', '_'},
        .table_address = static_cast<uint32_t>(layout::kMpTable + sizeof(FloatingPointer)),
        .length = 1,
        .revision = kRevision,
        .checksum = 0,
        .features = {}};
    pointer.checksum = checksum(std::as_bytes(std::span(&pointer, 1)));

    std::vector<std::byte> table;
    table.reserve(layout::kMpTableMax);
    append(table, pointer);
    append(table, TableHeader{});
    TableHeader header{.signature = {'P', 'C', 'M', 'P'},
                       .length = 0,
                       .revision = kRevision,
                       .checksum = 0,
                       .oem_id = {'A', 'N', 'C', 'H', 'O', 'R', ' ', ' '},
                       .product_id = {'H', 'O', 'L', 'D', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' '},
                       .oem_table = 0,
                       .oem_table_size = 0,
                       .entry_count = 0,
                       .local_apic_address = static_cast<uint32_t>(layout::kLocalApic),
                       .extended_length = 0,
                       .extended_checksum = 0,
                       .reserved = 0};
    header.entry_count = append_entries(table, vcpus);
    ANCHORHOLD_CHECK(table.size() <= layout::kMpTableMax);
    const auto configuration = std::span(table).subspan(sizeof pointer);
    header.length = static_cast<uint16_t>(configuration.size());
    std::memcpy(configuration.data(), &header, sizeof header);
    header.checksum = checksum(configuration);
    std::memcpy(configuration.data(), &header, sizeof header);
    return table;
}

}  // namespace anchorhold::vmm
