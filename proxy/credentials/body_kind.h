// What a body is, by its head. Internal to this folder.
#pragma once

#include "proto/policy.pb.h"
#include "proxy/head.h"

namespace anchorhold::proxy {

enum class BodyKind { json, form, other };

// By the media type: application/json and application/…+json, or
// application/x-www-form-urlencoded (RFC 9110 §8.3).
[[nodiscard]] BodyKind body_kind(const RequestHead& head);
[[nodiscard]] bool is_json(const Fields& fields);

// A Content-Encoding other than identity (RFC 9110 §8.4).
[[nodiscard]] bool is_encoded(const Fields& fields);

// The binding's location is in bodies of that kind.
[[nodiscard]] bool lies_in_body(const proto::Binding& binding, BodyKind kind);

}  // namespace anchorhold::proxy
