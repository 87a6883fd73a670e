// One request and its answer, step by step.
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "policy/path_pattern.h"
#include "policy/target.h"
#include "proxy/credentials/aws_signing.h"
#include "proxy/credentials/body_digest.h"
#include "proxy/credentials/body_kind.h"
#include "proxy/credentials/captures.h"
#include "proxy/credentials/credential_index.h"
#include "proxy/credentials/credentials.h"
#include "proxy/credentials/encodings.h"
#include "proxy/credentials/mint_endpoints.h"
#include "proxy/credentials/placement.h"

namespace anchorhold::proxy {

using policy::Reason;

namespace {

bool is_aws(const Destination& destination) {
    return std::ranges::any_of(destination.bindings, [](const proto::Binding* binding) {
        return binding->location_case() == proto::Binding::kAwsSigv4;
    });
}

}  // namespace

struct CredentialUse::State {
    enum class Capture { none, tokens, lfs };

    State(Credentials::Index& shared, const Destination& where)
        : index(shared),
          destination(where),
          scan(shared.placeholders),
          scrubber(shared.reflections) {}

    Credentials::Index& index;
    Destination destination;
    size_t body_needed = 0;
    std::vector<std::string> used;
    std::optional<uint64_t> new_length;
    PlaceholderScan scan;
    bool scanned = false;  // the whole body, by apply()
    std::optional<AwsChunkSigner> chunks;
    std::optional<BodyDigest> digest;  // x-amz-content-sha256, to be checked
    const proto::Binding* served = nullptr;

    Capture capture = Capture::none;  // planned by the request
    const proto::Binding* captured_for = nullptr;
    std::vector<JsonPath> capture_fields;
    bool capturing = false;  // the answer is one to capture from
    bool readable = true;    // the answer is JSON without coding
    bool scrubbing = false;
    bool encoded = false;
    Scrubber scrubber;
    std::vector<proto::Minted> minted;

    [[nodiscard]] bool bound() const {
        return destination.protocol == proto::HTTPS && !destination.bindings.empty();
    }
    std::optional<Refusal> check_minting(const RequestHead& head, std::string_view body,
                                         const policy::Decision& decision);
    std::optional<Refusal> stream(std::string& piece);
    std::optional<Refusal> take_answer(std::string& answer);
    void ask_for_plain_answer(RequestHead& head) const;
};

CredentialUse::CredentialUse(Credentials& credentials, const Destination& destination,
                             const RequestHead& head)
    : state_(std::make_unique<State>(*credentials.index_, destination)) {
    if (!state_->bound()) {
        return;
    }
    const BodyKind kind = body_kind(head);
    const bool in_body = std::ranges::any_of(
        destination.bindings,
        [&](const proto::Binding* binding) { return lies_in_body(*binding, kind); });
    const bool to_hash =
        is_aws(destination) &&
        (AwsSigning::payload_of(head) == AwsPayload::absent || kind == BodyKind::form);
    const bool empty = head.method == "GET" || head.method == "HEAD";
    if (in_body || (to_hash && !empty)) {
        state_->body_needed = kMaxCredentialBody;
    }
}

CredentialUse::~CredentialUse() = default;
CredentialUse::CredentialUse(CredentialUse&&) noexcept = default;
CredentialUse& CredentialUse::operator=(CredentialUse&&) noexcept = default;

size_t CredentialUse::body_needed() const {
    return state_->body_needed;
}
std::optional<uint64_t> CredentialUse::new_content_length() const {
    return state_->new_length;
}
const std::vector<std::string>& CredentialUse::used() const {
    return state_->used;
}
size_t CredentialUse::answer_needed() const {
    return state_->capturing ? kMaxCredentialBody : 0;
}
bool CredentialUse::answer_may_change() const {
    return state_->capturing;
}
bool CredentialUse::answer_passes() const {
    return !state_->capturing && (!state_->scrubbing || state_->encoded);
}
uint64_t CredentialUse::scrubbed() const {
    return state_->scrubber.replaced();
}

std::vector<proto::Minted> CredentialUse::take_minted() {
    return std::exchange(state_->minted, {});
}

std::optional<Refusal> CredentialUse::State::check_minting(const RequestHead& head,
                                                           std::string_view body,
                                                           const policy::Decision& decision) {
    if (!bound()) {
        return std::nullopt;
    }
    const auto target = policy::parse_target(head.target);
    if (!target) {
        return Refusal{Reason::bad_target, target.error().message};
    }
    for (const proto::Binding* const binding : destination.bindings) {
        const BoundSecret& bound_secret = index.of(binding);
        auto fields = bound_secret.mint_fields.begin();
        for (const proto::Mint& mint : binding->mints()) {
            const auto first = fields;
            fields += mint.fields_size();
            if (!policy::path_matches(mint.path(), *target, policy::Reading::wide)) {
                continue;
            }
            const bool usable =
                std::ranges::find(decision.bindings, binding) != decision.bindings.end();
            if (!mint.capture() || mint.fields().empty() || !usable) {
                return Refusal{Reason::minting, "binding " + binding->id() +
                                                    " names this endpoint as one that hands out "
                                                    "credentials"};
            }
            capture = Capture::tokens;
            captured_for = binding;
            capture_fields.insert(capture_fields.end(), first, fields);
        }
    }
    const BodyKind kind = body_kind(head);
    if (capture == Capture::none &&
        (is_minting_endpoint(destination.host, head.method, *target) ||
         (is_aws(destination) &&
          is_minting_aws_request(head, kind == BodyKind::form ? body : std::string_view{})))) {
        return Refusal{Reason::minting,
                       "the endpoint hands out credentials; a binding can name it "
                       "under mint with capture"};
    }
    return std::nullopt;
}

void CredentialUse::State::ask_for_plain_answer(RequestHead& head) const {
    if (Field* const field = find_field(head.fields, "accept-encoding")) {
        field->value = "identity";
    } else {
        head.fields.push_back(Field{"accept-encoding", "identity"});
    }
}

std::optional<Refusal> CredentialUse::apply(RequestHead& head, std::string& body, BodyExtent extent,
                                            std::optional<uint64_t> content_length,
                                            const policy::Decision& decision) {
    State& state = *state_;
    if (auto refused = state.check_minting(head, body, decision)) {
        return refused;
    }
    Placement placement(state.index, state.destination, decision);
    if (auto refused = placement.examine(head)) {
        return refused;
    }
    if (extent == BodyExtent::part && state.body_needed != 0) {
        return Refusal{Reason::body_too_large,
                       "a credential or a signature needs the whole body, which is over 1 MiB"};
    }
    if (extent == BodyExtent::whole) {
        if (auto refused = placement.examine_body(head, body)) {
            return refused;
        }
        state.scanned = true;
    }
    state.used = placement.used();
    state.served = placement.served();
    state.scrubbing = state.bound() || !state.used.empty();
    if (state.scrubbing) {
        state.ask_for_plain_answer(head);
    }
    if (state.capture == State::Capture::none && state.served != nullptr &&
        is_lfs_batch(head.target)) {
        state.capture = State::Capture::lfs;
        state.captured_for = state.served;
    }
    placement.fill(head, body);
    if (placement.body_changed()) {
        state.new_length = body.size();
        content_length = body.size();
    }
    if (const AwsSigning* const aws = placement.aws()) {
        if (aws->payload() == AwsPayload::absent && extent == BodyExtent::part &&
            content_length.value_or(0) != 0) {
            wipe(head);
            return Refusal{Reason::signing, "the body has no x-amz-content-sha256 to be signed by"};
        }
        auto chunks = aws->sign(head, content_length, body);
        if (!chunks) {
            wipe(head);
            return Refusal{Reason::signing, chunks.error().message};
        }
        if (*chunks) {
            state.chunks.emplace(std::move(**chunks));
        }
        if (aws->payload() == AwsPayload::digest) {
            state.digest.emplace(find_field(head.fields, "x-amz-content-sha256")->value);
        }
    }
    return state.stream(body);
}

std::optional<Refusal> CredentialUse::State::stream(std::string& piece) {
    if (!scanned && scan.piece(piece)) {
        return Refusal{Reason::stray_placeholder,
                       "a placeholder is in the body, where no credential is bound"};
    }
    if (digest) {
        digest->update(piece);
    }
    if (chunks) {
        if (const auto signed_piece = chunks->piece(piece); !signed_piece) {
            return Refusal{Reason::signing, signed_piece.error().message};
        }
    }
    return std::nullopt;
}

std::optional<Refusal> CredentialUse::request_body(std::string& piece) {
    state_->scanned = false;
    return state_->stream(piece);
}

std::optional<Refusal> CredentialUse::request_end(std::string& rest, Fields& trailers) {
    rest.clear();
    for (const Field& field : trailers) {
        if (PlaceholderScan::contains(*state_->index.placeholders, field.value)) {
            return Refusal{Reason::stray_placeholder, "a placeholder is in trailer " + field.name};
        }
    }
    if (state_->digest && !state_->digest->matches()) {
        return Refusal{Reason::signing, "the body is not the one that x-amz-content-sha256 names"};
    }
    if (state_->chunks) {
        if (const auto done = state_->chunks->finish(); !done) {
            return Refusal{Reason::signing, done.error().message};
        }
    }
    return std::nullopt;
}

void CredentialUse::answer(ResponseHead& head) {
    State& state = *state_;
    if (!state.scrubbing) {
        return;
    }
    if (state.bound()) {
        std::erase_if(head.fields, [](const Field& field) {
            return field.name == "set-cookie" || field.name == "set-cookie2";
        });
    }
    state.scrubber.fields(head.fields);
    state.encoded = is_encoded(head.fields);
    const bool success = head.status >= 200 && head.status < 300 && head.status != 204;
    const bool json = is_json(head.fields);
    state.capturing = success && (state.capture == State::Capture::tokens ||
                                  (state.capture == State::Capture::lfs && json));
    state.readable = json && !state.encoded;
}

std::optional<Refusal> CredentialUse::State::take_answer(std::string& answer) {
    const auto refused = [&](std::string_view what) {
        wipe(answer);
        return Refusal{Reason::minting,
                       "the answer's credentials cannot be captured: " + std::string(what)};
    };
    if (!readable) {
        return refused("it is not plain JSON");
    }
    auto found = capture == Capture::tokens
                     ? capture_tokens(index, *captured_for, capture_fields, answer)
                     : capture_lfs_actions(index, *captured_for, answer);
    if (!found) {
        return refused(found.error().message);
    }
    std::ranges::move(*found, std::back_inserter(minted));
    scrubber.whole(answer);
    return std::nullopt;
}

std::optional<Refusal> CredentialUse::answer_body(std::string& piece) {
    State& state = *state_;
    if (state.capturing && !piece.empty()) {
        return state.take_answer(piece);
    }
    if (state.scrubbing && !state.encoded) {
        state.scrubber.piece(piece);
    }
    return std::nullopt;
}

std::optional<Refusal> CredentialUse::answer_end(std::string& rest, Fields& trailers) {
    rest = state_->scrubber.finish();
    if (state_->scrubbing) {
        state_->scrubber.fields(trailers);
    }
    return std::nullopt;
}

}  // namespace anchorhold::proxy
