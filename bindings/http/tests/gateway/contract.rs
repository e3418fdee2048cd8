//! What the gateway must do, sentence by sentence, and the test that holds it. The SDKs' own tests (`../sdk`) hold most
//! of it once more, from the clients' side.
//!
//! A sentence without a test would be a wish: the test here sees to it that each one's is there.

use std::collections::BTreeSet;
use std::path::Path;

/// Of all three APIs.
const COMMON: &[(&str, &str)] = &[
    (
        "bodies are opaque: all 256 values, NUL, CRLF, none",
        "bandwidth::what_was_put_comes_back_with_its_type_length_tag_and_date",
    ),
    ("Accept and Accept-Encoding refuse and unpack nothing", "serving::what_a_client_accepts_changes_nothing"),
    (
        "Content-Length and chunked bodies both work; a GET or DELETE may have a small one",
        "framing::bodies_come_with_a_length_or_in_chunks_with_extensions_and_trailers",
    ),
    ("Expect: 100-continue is honoured", "framing::who_waits_for_the_word_to_go_on_hears_it_or_the_refusal_instead"),
    ("an upload is whole or never was", "framing::an_upload_that_is_broken_off_changes_nothing"),
    (
        "readers beside writers see one whole version",
        "serving::readers_see_whole_versions_with_the_type_of_that_version",
    ),
    (
        "what is over the limit is read, dropped and answered",
        "serving::an_upload_at_the_limit_is_stored_and_one_beyond_is_not",
    ),
    (
        "conditions by tag and date, after credentials and existence",
        "serving::a_get_with_a_condition_that_holds_is_not_answered_again",
    ),
    ("ranges are given, clamped, refused or ignored", "serving::a_range_is_given_clamped_refused_or_ignored"),
    ("an answer to HEAD leaves no body on the connection", "framing::the_answer_to_head_has_no_body"),
    ("other methods are 405", "access::unknown_routes_and_methods_are_refused_in_the_shape_of_their_api"),
    ("equal bytes are independent objects", "names::equal_bytes_under_several_names_are_independent"),
    ("a malformed Authorization is 401", "access::without_the_right_credentials_nothing_is_told_and_nothing_changes"),
    ("a refusal breaks no connection", "framing::a_refused_body_is_read_and_the_connection_goes_on"),
    ("pipelined requests are answered in order", "framing::pipelined_requests_are_answered_in_order"),
    (
        "HTTP/1.0 gets a whole answer and a close",
        "framing::an_http_1_0_request_is_answered_whole_and_the_connection_closed",
    ),
    ("bad framing is 400 and stores nothing", "framing::bad_lengths_and_chunks_are_refused_and_store_nothing"),
    ("bytes of a body are never a request", "framing::bytes_of_a_body_are_never_taken_for_a_request"),
    ("bad escapes are 4xx", "framing::bad_escapes_are_refused"),
    (
        "what is no request at all never costs the server",
        "framing::what_is_no_request_is_refused_and_the_server_goes_on",
    ),
    (
        "no credential of one API reaches the media of another",
        "access::what_is_right_at_one_api_is_nothing_at_the_others",
    ),
];

/// Bandwidth's.
const BANDWIDTH: &[(&str, &str)] = &[
    (
        "a name is decoded once, its slashes escaped or not",
        "names::a_slash_is_the_same_escaped_or_not_and_an_escape_is_decoded_once",
    ),
    ("every text is a name, and never a path", "names::every_text_is_a_name_of_its_own"),
    ("an upload without a type is bytes", "serving::an_upload_without_a_type_is_bytes"),
    (
        "Cache-Control is stored, returned, replaced and removed",
        "serving::cache_control_is_stored_returned_replaced_and_removed",
    ),
    (
        "3,750,000 bytes pass, more than 3,932,160 do not",
        "serving::an_upload_at_the_limit_is_stored_and_one_beyond_is_not",
    ),
    ("48 hours from the last upload", "bandwidth::a_medium_lives_48_hours_from_its_last_upload"),
    (
        "a listing has exactly typed fields, and links that work",
        "bandwidth::a_listing_has_exactly_typed_fields_and_links_that_work",
    ),
    ("links begin with what is configured", "serving::links_begin_with_what_the_operator_says"),
    (
        "a page has 1,000 names, and a token only where more come",
        "paging::a_thousand_names_are_one_page_and_one_more_is_two",
    ),
    ("a token is authenticated and of one account", "paging::a_token_that_was_not_given_out_is_refused"),
    ("who stays through a walk is listed once", "paging::a_name_that_stays_is_listed_once_whatever_happens_beside_it"),
    (
        "401 before anything is told, in JSON of two texts",
        "access::without_the_right_credentials_nothing_is_told_and_nothing_changes",
    ),
    ("another account is 403", "access::a_user_has_one_account_and_reaches_no_other"),
];

/// Twilio's.
const TWILIO: &[(&str, &str)] = &[
    (
        "a resource is seven fields, in JSON and XML, and its bytes",
        "twilio::a_medium_has_a_resource_as_json_and_as_xml_and_its_bytes",
    ),
    ("what SDKs send along is ignored", "twilio::what_the_sdks_send_along_changes_nothing"),
    ("a delete is 204 once", "twilio::a_deleted_medium_is_gone_and_nothing_else_is"),
    ("under another message or account it is 404", "twilio::a_medium_is_found_under_its_own_message_and_account_only"),
    (
        "a page has exactly one key beside those of paging",
        "twilio_pages::a_page_has_the_keys_that_the_sdks_look_for_and_one_more",
    ),
    (
        "the links give each medium once, in one order",
        "twilio_pages::links_forth_and_back_give_each_medium_once_in_one_order_for_every_size",
    ),
    (
        "deletes between pages skip and repeat nothing",
        "twilio_pages::what_is_deleted_and_added_between_two_pages_makes_none_skip_or_repeat",
    ),
    (
        "tokens are authenticated and of one message",
        "twilio_pages::tokens_that_were_changed_or_belong_elsewhere_are_refused",
    ),
    ("sizes, numbers and dates that are none are 400", "twilio_pages::numbers_and_dates_that_are_none_are_refused"),
    ("filters by date", "twilio_pages::media_are_filtered_by_the_date_of_their_making"),
    ("lists as XML", "twilio_pages::a_listing_is_to_be_had_as_xml"),
    ("ten media pass, the eleventh does not", "twilio::a_message_takes_ten_media_and_not_an_eleventh"),
    ("5,000,000 bytes pass, more than 5,242,880 do not, in sum", "twilio::a_message_takes_five_megabytes_in_all"),
    ("the limits hold under any number of writers", "twilio::limits_hold_however_many_come_at_once"),
    (
        "the raw body of a POST is stored, any message's",
        "twilio::a_medium_has_a_resource_as_json_and_as_xml_and_its_bytes",
    ),
    (
        "Messages.json answers as Twilio does",
        "twilio_messages::a_message_is_answered_as_queued_and_its_media_are_stored_in_their_order",
    ),
    ("its media are fetched all or none", "twilio_messages::a_message_gets_all_of_its_media_or_none"),
    (
        "only http and https, only hosts and addresses that are allowed",
        "twilio_messages::nobody_is_asked_but_who_may_be",
    ),
    ("no redirect to another host", "twilio_messages::redirects_stay_on_their_host_and_come_to_an_end"),
    ("an origin's 304 gives the stored copy", "twilio_messages::what_an_origin_still_has_is_not_fetched_again"),
    (
        "by https, from whom a root vouches for",
        "twilio_messages::by_https_media_come_from_those_whose_certificate_can_be_traced_to_a_root",
    ),
    (
        "all but public bytes takes credentials: 401, 20003",
        "twilio::everything_but_public_bytes_needs_the_credentials_of_the_account",
    ),
    (
        "protected bytes are given by a link, for four hours, GET and HEAD only",
        "twilio::protected_bytes_are_given_out_by_a_link_that_holds_four_hours",
    ),
    ("any change to a link is 4xx", "twilio::a_link_that_was_changed_in_whatever_way_is_refused"),
    ("media stay until they are deleted", "twilio::media_stay_until_they_are_deleted"),
];

/// MessageBird's.
const MESSAGEBIRD: &[(&str, &str)] = &[
    (
        "an id is a new lower-case UUID each time",
        "messagebird::a_file_comes_back_as_it_was_given_under_an_id_of_its_own",
    ),
    ("the name is the filename, however it is written", "messagebird::the_name_is_what_the_disposition_says"),
    ("a file needs a type", "messagebird::a_file_needs_a_type"),
    (
        "100,000,000 bytes pass, more than 104,857,600 do not; ranges on the large file",
        "messagebird::a_hundred_megabytes_pass_and_what_is_over_the_limit_does_not",
    ),
    ("a chunked body is cut off at the limit", "messagebird::a_chunked_body_is_cut_off_where_it_passes_the_limit"),
    (
        "POST and DELETE take a valid key: 401, 1001, all three fields",
        "messagebird::posts_and_deletes_need_a_key_that_is_known",
    ),
    (
        "files of a restricted account take its key",
        "messagebird::files_of_a_restricted_account_are_read_with_a_key_of_it_only",
    ),
    (
        "malformed ids are 400 or 404, and there is no listing",
        "messagebird::what_is_no_file_is_not_found_and_there_is_no_listing",
    ),
];

/// What keeps served content harmless, and what operators rely on.
const OPERATORS: &[(&str, &str)] = &[
    ("nosniff, a sandbox, active types attached unless told otherwise", "serving::served_content_is_harmless"),
    ("nothing stored begins a header", "serving::nothing_that_is_stored_begins_a_header_of_its_own"),
    ("headers of the connection are ignored", "serving::headers_of_the_connection_are_nobodys_business_but_its_own"),
    ("limits: heads", "operations::the_head_of_a_request_is_as_long_as_the_operator_says"),
    ("limits: bodies", "serving::limits_and_lifetimes_are_the_operators"),
    ("limits: connections", "operations::connections_beyond_the_limit_wait_for_their_turn"),
    ("limits: silence", "operations::stalled_clients_are_let_go_and_store_nothing"),
    ("limits: the time of a body", "operations::a_body_has_its_time_and_no_more"),
    ("TLS when a certificate is configured", "operations::with_a_certificate_the_socket_speaks_tls_and_nothing_else"),
    ("requests under way finish at a stop", "operations::requests_under_way_finish_when_the_gateway_stops"),
    ("no stop waits for who follows events", "native_refusals::who_follows_and_stops_reading_holds_up_no_stop"),
    (
        "the configuration is read again",
        "operations::a_configuration_that_is_read_again_holds_from_the_next_request_on",
    ),
    ("health and figures tell no names", "operations::health_and_figures_need_no_credentials_and_tell_no_names"),
    ("a closed store is not ready", "operations::a_store_that_is_closed_is_not_ready"),
    ("a Unix socket", "operations::a_unix_socket_serves_as_a_port_does_and_is_gone_afterwards"),
];

#[test]
fn each_sentence_has_its_test() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gateway");
    let mut sentences = BTreeSet::new();
    for (sentence, test) in [COMMON, BANDWIDTH, TWILIO, MESSAGEBIRD, OPERATORS].concat() {
        let (file, name) = test.split_once("::").unwrap();
        let source = std::fs::read_to_string(here.join(format!("{file}.rs"))).unwrap();
        assert!(source.contains(&format!("#[test]\nfn {name}() {{")), "{sentence}: there is no {test}");
        assert!(sentences.insert(sentence), "{sentence}: twice");
    }
}
