// A datagram of the agent's to the DNS stub: any answer fits into 512 bytes, repeats the id and is
// itself no query; a name that got an address leads back.
#include <string>

#include "base/check.h"
#include "guest-init/egress/dns_message.h"
#include "guest-init/egress/synthetic_names.h"

namespace anchorhold::guest_init {
namespace {

void check_answer(const std::string& answer, const dns::Header& header) {
    ANCHORHOLD_CHECK(answer.size() >= 12 && answer.size() <= dns::kMaxAnswer);
    ANCHORHOLD_CHECK(static_cast<uint8_t>(answer[0]) == header.id >> 8);
    ANCHORHOLD_CHECK(static_cast<uint8_t>(answer[1]) == (header.id & 0xff));
    const auto bytes = std::span(reinterpret_cast<const uint8_t*>(answer.data()), answer.size());
    ANCHORHOLD_CHECK(!dns::parse_query(bytes));
}

void answer_all(std::span<const uint8_t> message) {
    const auto parsed = dns::parse_query(message);
    if (!parsed) {
        return;
    }
    if (const auto* const refusal = std::get_if<dns::Refusal>(&*parsed)) {
        check_answer(dns::answer_refusal(*refusal), refusal->header);
        return;
    }
    const auto& query = std::get<dns::Query>(*parsed);
    ANCHORHOLD_CHECK(query.name.size() <= size_t{4} * 255);
    check_answer(dns::answer_nothing(query, dns::ResponseCode::kNoError, 5), query.header);
    if (!dns::is_host_name(query.name)) {
        return;
    }
    static SyntheticNames names(4);
    const auto address = names.address_of(query.name);
    ANCHORHOLD_CHECK(address && names.name_of(*address) == query.name);
    check_answer(dns::answer_address(query, *address, 60), query.header);
}

}  // namespace
}  // namespace anchorhold::guest_init

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    anchorhold::guest_init::answer_all({data, size});
    return 0;
}
