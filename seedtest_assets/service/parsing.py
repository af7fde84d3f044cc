"""Decompress and parse the body of a request, or refuse it."""

import json
import zlib
from typing import Any

import msgspec

from seedtest_assets.service.limits import Limits, Refusal


def unpacked(body: bytes, encoding: str, limits: Limits) -> bytes:
    """Undo the gzip of a body, if it has one; refuse before it grows above the limit."""
    if encoding == "gzip":
        inflater = zlib.decompressobj(wbits=31)
        try:
            body = inflater.decompress(body, limits.bytes + 1)
        except zlib.error as error:
            raise Refusal(400, f"the body is announced as gzip but is not: {error}") from None
        if len(body) <= limits.bytes and not inflater.eof:
            raise Refusal(400, "the body's gzip stops before its end")
    if len(body) > limits.bytes:
        raise Refusal(413, f"the body holds more than {limits.bytes:,} bytes. Send fewer answers or raise the limit")
    return body


def parsed_body(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    """Parse and check a body against the type of the decoder."""
    try:
        return decoder.decode(body)
    except RecursionError:
        raise Refusal(400, "the body is nested too deeply") from None
    except msgspec.ValidationError as error:
        raise _unfit(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if b"NaN" in body:
            return _parsed_with_nan(decoder, body)
        raise Refusal(400, f"the body is not valid JSON: {error}") from None


def _parsed_with_nan(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    """Parse a body in which Python's json wrote the bare word NaN, which is no JSON; it counts as null."""
    try:
        return msgspec.convert(json.loads(body, parse_constant=_null_for_nan), decoder.type)
    except RecursionError:
        raise Refusal(400, "the body is nested too deeply") from None
    except msgspec.ValidationError as error:
        raise _unfit(error) from None
    except (ValueError, OverflowError) as error:
        raise Refusal(400, f"the body is not valid JSON: {error}") from None


def _unfit(error: msgspec.ValidationError) -> Refusal:
    # The only text that a request may have in place of a number is "NA", and "-Infinity" in steps: to msgspec an enum.
    texts = 'null, "NA" or "-Infinity"' if ".b_" in str(error) else 'null or "NA"'
    return Refusal(400, str(error).replace("Invalid enum value", f"Expected a number, {texts}, got"))


def _null_for_nan(constant: str) -> None:
    if constant != "NaN":
        raise ValueError(f"{constant} is not a number")
