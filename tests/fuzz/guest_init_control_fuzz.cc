// What a host sends on the control stream, as init reads it: any request parses or ends the stream;
// a Resume that passes its checks is fit to be written to files and given to the kernel as it is.
#include <string>

#include "base/check.h"
#include "guest-init/uniqueness/identity_files.h"
#include "guest-init/uniqueness/resume_request.h"
#include "proto/frame.h"
#include "proto/guest_control.pb.h"

namespace anchorhold::guest_init {
namespace {

bool is_text_of(const std::string& text, const char* allowed) {
    return text.find_first_not_of(allowed) == std::string::npos;
}

void check_one(const proto::Resume& request, uint64_t generation) {
    if (!check_resume(request, generation)) {
        ANCHORHOLD_CHECK(!is_plain(request));
        return;
    }
    const size_t entropy = request.entropy().size();
    ANCHORHOLD_CHECK(entropy == 0 || (entropy >= kMinEntropy && entropy <= kMaxEntropy));
    ANCHORHOLD_CHECK(request.generation() == 0 || request.generation() != generation);
    ANCHORHOLD_CHECK(request.generation() == 0 || entropy != 0);
    ANCHORHOLD_CHECK(generation_text(request.generation()).size() == 21);
    ANCHORHOLD_CHECK(request.host_name().size() <= kMaxHostName);
    ANCHORHOLD_CHECK(is_text_of(request.host_name(),
                                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789-."));
    ANCHORHOLD_CHECK(request.machine_id().empty() || request.machine_id().size() == 32);
    ANCHORHOLD_CHECK(is_text_of(request.machine_id(), "0123456789abcdef"));
    ANCHORHOLD_CHECK(request.boot_id().empty() || request.boot_id().size() == 36);
    ANCHORHOLD_CHECK(is_text_of(request.boot_id(), "0123456789abcdef-"));
}

void read_all(std::span<const std::byte> bytes) {
    proto::FrameReader reader(proto::kMaxControlRequest);
    reader.feed(bytes);
    for (;;) {
        const auto frame = reader.next();
        if (!frame || !frame->has_value()) {
            return;
        }
        const auto request = proto::parse<proto::ControlRequest>(**frame, "control request");
        if (!request) {
            return;
        }
        if (request->has_resume()) {
            check_one(request->resume(), 1);
            check_one(request->resume(), request->resume().generation());
            check_one(request->resume(), UINT64_MAX);
        }
        reader.wipe();
    }
}

}  // namespace
}  // namespace anchorhold::guest_init

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    anchorhold::guest_init::read_all({reinterpret_cast<const std::byte*>(data), size});
    return 0;
}
