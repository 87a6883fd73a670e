// Errors as problem details.
#include "supervisor/service/reply.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cerrno>

namespace anchorhold::service {
namespace {

struct Title {
    int status;
    const char* type;  // below urn:anchorhold:problem:
    const char* title;
};
constexpr Title kTitles[] = {
    {400, "bad-request", "The request is not understood"},
    {403, "forbidden", "Not yours"},
    {404, "not-found", "There is no such thing"},
    {405, "method-not-allowed", "Not a method of this resource"},
    {408, "timeout", "The request took too long"},
    {409, "conflict", "The state does not allow it"},
    {413, "too-large", "The body is too large"},
    {431, "head-too-large", "The head is too large"},
    {500, "failed", "It failed"},
    {501, "not-available", "This host or build cannot do it"},
    {503, "exhausted", "There is no room now"},
};

int status_of(int code) {
    switch (code) {
        case ENOENT:
            return 404;
        case EEXIST:
        case EBUSY:
            return 409;
        case EINVAL:
            return 400;
        case ENOSYS:
            return 501;
        case EAGAIN:
        case ENOMEM:
        case ENOSPC:
        case EMFILE:
        case ENFILE:
            return 503;
        default:
            return 500;
    }
}

}  // namespace

Reply problem(int status, std::string_view detail) {
    const Title* found = &kTitles[8];
    for (const Title& title : kTitles) {
        if (title.status == status) {
            found = &title;
        }
    }
    const nlohmann::ordered_json body = {
        {"type", fmt::format("urn:anchorhold:problem:{}", found->type)},
        {"title", found->title},
        {"status", status},
        {"detail", detail}};
    Reply reply;
    reply.status = status;
    reply.content_type = "application/problem+json";
    // What a guest or a client wrote may be no UTF-8.
    reply.body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    return reply;
}

Reply problem(const Error& error) {
    return problem(status_of(error.code), error.message);
}

}  // namespace anchorhold::service
