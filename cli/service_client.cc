// Write a request, read its answer, keep the descriptor that came along.
#include "cli/service_client.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/log.h"
#include "base/stream_rights.h"
#include "base/sys.h"
#include "base/unix_socket.h"

namespace anchorhold::cli {
namespace {

int errno_for(int status) {
    switch (status) {
        case 400:
            return EINVAL;
        case 404:
            return ENOENT;
        case 409:
            return EBUSY;
        case 501:
            return ENOSYS;
        case 503:
            return EAGAIN;
        default:
            return 0;
    }
}

// The one line of a problem (RFC 9457).
tl::unexpected<Error> problem_error(const service::HttpAnswer& answer) {
    const auto json = nlohmann::json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
    std::string detail = fmt::format("the service answered with status {}", answer.status);
    if (json.is_object() && json.contains("detail") && json["detail"].is_string()) {
        detail = log::escaped(json["detail"].get<std::string>(), 2000);
    }
    return fail(std::move(detail), errno_for(answer.status));
}

}  // namespace

Result<ServiceClient> ServiceClient::connect(const std::string& socket) {
    auto connected = connect_unix(socket, SOCK_STREAM);
    if (!connected &&
        (connected.error().code == ENOENT || connected.error().code == ECONNREFUSED)) {
        return fail(fmt::format("no service runs at {}; start one with: anchorhold serve "
                                "--background",
                                socket),
                    connected.error().code);
    }
    if (!connected) {
        return tl::unexpected(connected.error());
    }
    return ServiceClient(std::move(*connected));
}

Result<ServiceClient::Answer> ServiceClient::exchange(const std::string& request) {
    ANCHORHOLD_TRY(sys::write_all(socket_.get(), request));
    service::AnswerReader reader;
    Answer answer;
    for (;;) {
        std::array<std::byte, 16384> buffer;
        auto received = ANCHORHOLD_TRY(receive_with_fds(socket_.get(), buffer));
        if (!received || received->count == 0) {
            return fail("the service ended before it answered");
        }
        if (!received->fds.empty()) {
            answer.descriptor = std::move(received->fds.front());
        }
        auto whole = ANCHORHOLD_TRY(
            reader.feed({reinterpret_cast<const char*>(buffer.data()), received->count}));
        if (whole) {
            answer.http = std::move(*whole);
            return answer;
        }
    }
}

Result<std::string> ServiceClient::call(std::string_view method, std::string_view target,
                                        std::string_view body) {
    Answer answer = ANCHORHOLD_TRY(exchange(service::request_text(method, target, body)));
    if (answer.http.status < 200 || answer.http.status > 299) {
        return problem_error(answer.http);
    }
    return std::move(answer.http.body);
}

Result<ServiceStream> ServiceClient::open_stream(std::string_view target,
                                                 std::string_view body) && {
    Answer answer = ANCHORHOLD_TRY(exchange(service::request_text("POST", target, body)));
    if (answer.http.status != 101) {
        return problem_error(answer.http);
    }
    if (!answer.descriptor.valid()) {
        return fail("the service passed no stream");
    }
    return ServiceStream{std::move(answer.descriptor),
                         std::move(socket_),
                         answer.http.fields["anchorhold-sandbox"],
                         answer.http.fields["anchorhold-start"],
                         answer.http.fields["anchorhold-passed-over"],
                         answer.http.fields["anchorhold-memory-backend"]};
}

}  // namespace anchorhold::cli
