/* SPDX-License-Identifier: Apache-2.0
 * frame_test - frames of every kind there and back, and what is refused. */
#include "frames.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"

/* What the generated code makes of the bytes has to be what was written. */
static Hde__Frame *
generated(struct frame *frame)
{
    Hde__Frame *message;
    uint8_t *bytes;
    size_t size;

    bytes = frame_bytes(frame, &size);
    message = hde__frame__unpack(NULL, size, bytes);
    free(bytes);
    assert_non_null(message);
    return message;
}

/* Packs by the generated code and reads by ours. */
static bool
reads(const Hde__Frame *message, struct err *err)
{
    size_t size = hde__frame__get_packed_size(message);
    uint8_t *bytes = malloc(size + 1);
    struct frame frame = {0};
    bool ok;

    hde__frame__pack(message, bytes);
    *err = (struct err){0};
    ok = frame_read(&frame, bytes, size, err);
    assert_int_equal(ok, !err_is_set(err));
    assert_string_equal(err->code, ok ? "" : "HDE-R007");
    frame_fini(&frame);
    free(bytes);
    return ok;
}

static void
check_messages(const struct frame *got)
{
    for (uint32_t i = 0; i < got->n; i++) {
        const struct frame_message *message = &got->message[i];
        Hde__Sample *sample = hde__sample__unpack(NULL, message->size, message->bytes);

        assert_int_equal(message->port, 5 * i);
        assert_int_equal(message->event_ns, -1 - (int64_t)i);
        assert_non_null(sample);
        assert_int_equal(sample->sequence, 17 + i);
        assert_string_equal(sample->key, "NIFTY");
        hde__sample__free_unpacked(sample, NULL);
    }
}

static void
test_every_kind_comes_as_it_went(void **state)
{
    struct frame want = {0}, got = {0};

    for (int kind = FIRST_KIND; kind <= LAST_KIND; kind++) {
        struct err err = {0};
        uint8_t *bytes;
        size_t size;
        Hde__Frame *message;

        if (!frame_is_kind(kind))
            continue;
        frame_example(&want, (Hde__FrameKind)kind);
        bytes = frame_bytes(&want, &size);
        assert_true(frame_read(&got, bytes, size, &err));
        message = generated(&want);
        assert_int_equal(got.kind, kind);
        assert_int_equal(got.edge, 7);
        assert_int_equal(got.tick, message->has_tick ? want.tick : 0);
        assert_int_equal(got.index, message->has_index ? want.index : 0);
        assert_int_equal(got.number, message->has_number ? want.number : 0);
        assert_int_equal(got.schema, message->has_schema ? want.schema : 0);
        assert_int_equal(got.watermark_ns, message->has_watermark_ns ? want.watermark_ns : 0);
        assert_int_equal(got.time_ns, message->has_time_ns ? want.time_ns : 0);
        assert_int_equal(got.credit_messages, message->has_credit_messages ? UINT32_MAX : 0);
        assert_int_equal(got.credit_bytes, message->has_credit_bytes ? want.credit_bytes : 0);
        assert_int_equal(got.payload_size, message->has_payload ? 3 : 0);
        assert_int_equal(got.n, want.n);
        check_messages(&got);
        hde__frame__free_unpacked(message, NULL);
        free(bytes);
    }
    frame_fini(&want);
    frame_fini(&got);
}

static void
test_the_kinds_have_what_they_are_for(void **state)
{
    struct frame frame = {0};
    Hde__Frame *message;

    frame_example(&frame, HDE__FRAME_KIND__FRAME_KIND_DATA);
    message = generated(&frame);
    assert_true(message->has_tick && message->has_index && message->has_schema &&
                message->has_watermark_ns && message->n_messages == 2);
    hde__frame__free_unpacked(message, NULL);
    frame_example(&frame, HDE__FRAME_KIND__FRAME_KIND_ACK);
    message = generated(&frame);
    assert_true(message->has_tick && message->has_index && !message->has_schema &&
                !message->has_credit_messages);
    hde__frame__free_unpacked(message, NULL);
    frame_fini(&frame);
}

static void
test_what_a_kind_needs_is_named_when_it_lacks(void **state)
{
    struct frame frame = {0};
    Hde__Frame *message;
    struct err err;

    frame_example(&frame, HDE__FRAME_KIND__FRAME_KIND_DATA);
    message = generated(&frame);
    assert_true(reads(message, &err));
    message->has_tick = false;
    assert_false(reads(message, &err));
    assert_non_null(strstr(err.text, "kind 'data' without 'tick'"));
    message->has_tick = true;
    message->count = 3;
    assert_false(reads(message, &err));
    assert_non_null(strstr(err.text, "says 3 messages and has 2"));
    message->count = 2;
    message->messages[1]->has_body = false;
    assert_false(reads(message, &err));
    assert_non_null(strstr(err.text, "'messages'"));
    message->messages[1]->has_body = true;
    message->version = FRAME_VERSION + 1;
    assert_false(reads(message, &err));
    assert_non_null(strstr(err.text, "'version'"));
    message->version = FRAME_VERSION;
    message->kind = (Hde__FrameKind)(LAST_KIND + 1);
    assert_false(reads(message, &err));
    assert_non_null(strstr(err.text, "'kind'"));
    message->kind = (Hde__FrameKind)(HDE__FRAME_KIND__FRAME_KIND_ANSWER + 1);
    assert_false(reads(message, &err));
    assert_non_null(strstr(err.text, "kind 'unknown'"));
    message->kind = HDE__FRAME_KIND__FRAME_KIND_CREDIT;
    assert_false(reads(message, &err));
    assert_non_null(strstr(err.text, "with messages"));
    hde__frame__free_unpacked(message, NULL);
    frame_fini(&frame);
}

static void
test_fields_of_a_later_version_are_passed_over(void **state)
{
    struct frame want = {0}, got = {0};
    struct err err = {0};
    uint8_t *bytes, later[] = {0x80 | 0x02, 0x06, 0x03, 'n', 'e', 'w'}; /* field 96, 3 bytes */
    size_t size;

    frame_example(&want, HDE__FRAME_KIND__FRAME_KIND_ASK);
    bytes = frame_bytes(&want, &size);
    bytes = realloc(bytes, size + sizeof later);
    memcpy(bytes + size, later, sizeof later);
    assert_true(frame_read(&got, bytes, size + sizeof later, &err));
    assert_int_equal(got.tick, want.tick);
    free(bytes);
    frame_fini(&want);
    frame_fini(&got);
}

static void
test_a_type_that_the_port_does_not_have_does_not_fit(void **state)
{
    static const ProtobufCMessageDescriptor *const types[] = {&hde__sample__descriptor, NULL};
    uint64_t schema = frame_schema(types);
    struct frame frame = {0};
    struct err err = {0};

    frame_example(&frame, HDE__FRAME_KIND__FRAME_KIND_DATA);
    assert_true(frame_fits(&frame, types, schema, &err));
    frame.message[1].type = 1;
    assert_false(frame_fits(&frame, types, schema, &err));
    assert_string_equal(err.code, "HDE-R007");
    frame.message[1].type = 0;
    assert_false(frame_fits(&frame, types, schema + 1, NULL));
    frame_fini(&frame);
}

static void
test_a_schema_tells_types_apart(void **state)
{
    static const ProtobufCMessageDescriptor *const one[] = {&hde__sample__descriptor, NULL};
    static const ProtobufCMessageDescriptor *const other[] = {&hde__state__descriptor, NULL};
    static const ProtobufCMessageDescriptor *const both[] = {&hde__sample__descriptor,
                                                             &hde__state__descriptor, NULL};
    ProtobufCFieldDescriptor fields[2];
    ProtobufCMessageDescriptor changed = hde__state_column__descriptor;
    const ProtobufCMessageDescriptor *const column[] = {&hde__state_column__descriptor, NULL};
    const ProtobufCMessageDescriptor *const changes[] = {&changed, NULL};

    assert_int_equal(frame_schema(one), frame_schema(one));
    assert_int_not_equal(frame_schema(one), frame_schema(other));
    assert_int_not_equal(frame_schema(one), frame_schema(both));
    memcpy(fields, changed.fields, sizeof fields);
    changed.fields = fields;
    changed.n_fields = 2;
    assert_int_not_equal(frame_schema(column), frame_schema(changes));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_comes_as_it_went),
        cmocka_unit_test(test_the_kinds_have_what_they_are_for),
        cmocka_unit_test(test_what_a_kind_needs_is_named_when_it_lacks),
        cmocka_unit_test(test_fields_of_a_later_version_are_passed_over),
        cmocka_unit_test(test_a_type_that_the_port_does_not_have_does_not_fit),
        cmocka_unit_test(test_a_schema_tells_types_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
