package record

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// describe returns a message's full name and its schema as MCAP wants it: a
// FileDescriptorSet of its file and all that it imports, each after its imports.
func describe(m proto.Message) (name string, set []byte) {
	d := m.ProtoReflect().Descriptor()
	var files descriptorpb.FileDescriptorSet
	seen := map[string]bool{}
	var add func(protoreflect.FileDescriptor)
	add = func(f protoreflect.FileDescriptor) {
		if seen[f.Path()] {
			return
		}
		seen[f.Path()] = true
		for i := range f.Imports().Len() {
			add(f.Imports().Get(i).FileDescriptor)
		}
		files.File = append(files.File, protodesc.ToFileDescriptorProto(f))
	}
	add(d.ParentFile())
	set, err := proto.MarshalOptions{Deterministic: true}.Marshal(&files)
	if err != nil {
		panic(err) // descriptors of generated code always encode
	}
	return string(d.FullName()), set
}
