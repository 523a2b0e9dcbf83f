#!/usr/bin/env python3
"""Asks a coordinator for a run's status with nothing but its address.

No file of shoal is needed: the server's reflection says what it can be asked and how. Needs
python3-grpcio and python3-protobuf. Usage: run_status.py HOST:PORT|unix:/PATH
"""
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format
try:
    from google.protobuf.message_factory import GetMessageClass
except ImportError:  # protobuf before 4.22
    from google.protobuf.message_factory import MessageFactory

    def GetMessageClass(descriptor):
        return MessageFactory().GetPrototype(descriptor)

METHOD = "shoal.v1.RunService"
TIMEOUT = 10  # seconds


def field(proto, name, number, kind, label=1, type_name=None):
    entry = proto.field.add(name=name, number=number, type=kind, label=label)
    if type_name:
        entry.type_name = type_name


def reflection_messages():
    """The few fields of grpc.reflection.v1alpha that are used here."""
    string, bytes_, message = 9, 12, 11
    file = descriptor_pb2.FileDescriptorProto(
        name="reflection.proto", package="grpc.reflection.v1alpha", syntax="proto3")
    request = file.message_type.add(name="ServerReflectionRequest")
    field(request, "file_by_filename", 3, string)
    field(request, "file_containing_symbol", 4, string)
    files = file.message_type.add(name="FileDescriptorResponse")
    field(files, "file_descriptor_proto", 1, bytes_, label=3)
    response = file.message_type.add(name="ServerReflectionResponse")
    field(response, "file_descriptor_response", 4, message,
          type_name=".grpc.reflection.v1alpha.FileDescriptorResponse")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return [GetMessageClass(pool.FindMessageTypeByName("grpc.reflection.v1alpha." + name))
            for name in ("ServerReflectionRequest", "ServerReflectionResponse")]


def describe(channel, symbol):
    """A pool with the files that define `symbol`, in an order in which they can be added."""
    Request, Response = reflection_messages()
    reflect = channel.stream_stream(
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        request_serializer=Request.SerializeToString, response_deserializer=Response.FromString)
    pool = descriptor_pool.DescriptorPool()
    added = set()

    def add(request):
        answer = next(reflect(iter([request]), timeout=TIMEOUT))
        if not answer.file_descriptor_response.file_descriptor_proto:
            raise SystemExit("the server does not describe %s" % symbol)
        for data in answer.file_descriptor_response.file_descriptor_proto:
            file = descriptor_pb2.FileDescriptorProto.FromString(data)
            if file.name in added:
                continue
            added.add(file.name)
            for needed in file.dependency:
                if needed not in added:
                    add(Request(file_by_filename=needed))
            pool.Add(file)

    add(Request(file_containing_symbol=symbol))
    return pool


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    with grpc.insecure_channel(sys.argv[1]) as channel:
        pool = describe(channel, METHOD)
        method = pool.FindServiceByName(METHOD).methods_by_name["GetStatus"]
        call = channel.unary_unary(
            "/%s/%s" % (METHOD, method.name),
            request_serializer=GetMessageClass(method.input_type).SerializeToString,
            response_deserializer=GetMessageClass(method.output_type).FromString)
        response = call(GetMessageClass(method.input_type)(), timeout=TIMEOUT)
        print(json_format.MessageToJson(response, including_default_value_fields=True))


if __name__ == "__main__":
    main()
