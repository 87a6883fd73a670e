// Any bytes as a state file: what is opened is what sealing its payload writes.
#include "base/check.h"
#include "base/sys.h"
#include "sealed_input.h"
#include "snapshot/state_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace anchorhold;
    const std::string file = fuzz::sealed_input(
        data, size,
        {.kind = snapshot::Kind::kState, .version = 1, .max_payload = snapshot::kMaxState});
    const auto opened = snapshot::open_state(file);
    fuzz::expect_one_line(opened);
    ANCHORHOLD_CHECK(!opened || snapshot::seal_state(*opened) == file);

    // The same from a descriptor.
    const auto memory = sys::memfd("state", 0);
    ANCHORHOLD_CHECK(memory.has_value() && sys::write_all(memory->get(), file).has_value());
    const auto read = snapshot::read_state(memory->get());
    fuzz::expect_one_line(read);
    ANCHORHOLD_CHECK(opened ? read.has_value() && *read == *opened : !read.has_value());
    return 0;
}
