// HTTP statuses of our own answers, and what gRPC calls them.
#include "proxy/http2/grpc.h"

namespace anchorhold::proxy::http2 {
namespace {

// Statuses of gRPC ("Status codes and their use in gRPC").
std::string_view grpc_status(unsigned http_status) {
    switch (http_status) {
        case 400:
            return "13";  // INTERNAL
        case 413:
        case 429:
            return "8";  // RESOURCE_EXHAUSTED
        case 502:
        case 503:
            return "14";  // UNAVAILABLE
        case 504:
            return "4";  // DEADLINE_EXCEEDED
        default:
            return "7";  // PERMISSION_DENIED
    }
}

constexpr size_t kMaxMessage = 1024;

}  // namespace

bool is_grpc(const RequestHead& head) {
    constexpr std::string_view kGrpc = "application/grpc";
    const Field* type = find_field(head.fields, "content-type");
    if (type == nullptr || !type->value.starts_with(kGrpc)) {
        return false;
    }
    const std::string_view rest = std::string_view(type->value).substr(kGrpc.size());
    return rest.empty() || rest.front() == '+' || rest.front() == ';';
}

std::string percent_encode_message(std::string_view text) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    std::string encoded;
    for (const char c : text) {
        const auto byte = static_cast<uint8_t>(c);
        if (byte >= 0x20 && byte <= 0x7e && c != '%') {
            encoded.push_back(c);
        } else {
            encoded.push_back('%');
            encoded.push_back(kDigits[byte >> 4]);
            encoded.push_back(kDigits[byte & 15]);
        }
    }
    return encoded;
}

Denial as_grpc(Denial denial) {
    if (find_field(denial.fields, "grpc-status") == nullptr) {
        const std::string_view body = denial.body;
        std::string message = "denied by anchorhold: ";
        message += policy::reason_word(denial.reason);
        if (!body.empty()) {
            message += ": ";
            message += body.substr(0, kMaxMessage);
        }
        while (!message.empty() && message.back() == '\n') {
            message.pop_back();
        }
        denial.fields.push_back({"grpc-status", std::string(grpc_status(denial.status))});
        denial.fields.push_back({"grpc-message", percent_encode_message(message)});
    }
    denial.status = 200;
    denial.content_type = "application/grpc";
    denial.body.clear();
    return denial;
}

}  // namespace anchorhold::proxy::http2
