// Any bytes as a kernel and as a configuration packet: taken or refused with a reason, and what is
// taken lies in the file.
#include <string>

#include "base/check.h"
#include "base/sys.h"
#include "vmm/boot/elf.h"
#include "vmm/control/configuration.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace anchorhold;
    const auto file = sys::memfd("kernel", 0);
    ANCHORHOLD_CHECK(file.has_value());
    ANCHORHOLD_CHECK(sys::write_all(file->get(), std::as_bytes(std::span(data, size))).has_value());
    const auto image = vmm::read_kernel_image(file->get());
    ANCHORHOLD_CHECK(image || !image.error().message.empty());
    if (image) {
        uint64_t previous_end = 0;
        for (const vmm::KernelSegment& segment : image->segments) {
            ANCHORHOLD_CHECK(segment.file_offset <= size &&
                             segment.file_size <= size - segment.file_offset);
            ANCHORHOLD_CHECK(segment.file_size <= segment.memory_size);
            ANCHORHOLD_CHECK(segment.guest_address >= previous_end);
            previous_end = segment.guest_address + segment.memory_size;
        }
        ANCHORHOLD_CHECK(previous_end == image->end());
    }

    Packet packet;
    packet.bytes.assign(reinterpret_cast<const char*>(data), size);
    const auto configuration = vmm::parse_first_packet(std::move(packet));
    ANCHORHOLD_CHECK(!configuration);  // it names descriptors, and there are none
    return 0;
}
