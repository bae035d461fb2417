package onnx

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// scope is a graph while it is read. A graph inside a node sees the names of
// those around it.
type scope struct {
	outer        *scope
	depth        int
	names        map[string]bool // that may be read
	initializers map[string]bool
	inputs       []Value
	outputs      []Value
	nodes        int
	types        map[string]int64 // of values, where they are known
	parts        *int             // of all graphs together
}

func newScope(outer *scope) *scope {
	s := &scope{outer: outer, names: map[string]bool{}, initializers: map[string]bool{},
		types: map[string]int64{}, parts: new(int)}
	if outer != nil {
		s.depth, s.parts = outer.depth+1, outer.parts
	}
	return s
}

// room bounds what becomes, in memory, many times as large as it is in the file.
func (s *scope) room(m message, parts int) error {
	if *s.parts += parts; *s.parts > maxParts {
		return m.wrong("has more than %d nodes, inputs, outputs and attributes", maxParts)
	}
	return nil
}

func (s *scope) knows(name string) bool {
	for ; s != nil; s = s.outer {
		if s.names[name] {
			return true
		}
	}
	return false
}

// read takes inputs and initializers first, because their fields come after
// the nodes, which read them.
func (s *scope) read(m message) error {
	if s.depth > maxDepth {
		return m.wrong("graphs nest deeper than %d", maxDepth)
	}
	inits := 0
	err := m.each(func(f field) error {
		switch f.num {
		case 5, 11, 12, 15, 1:
			if err := m.expect(f, protowire.BytesType); err != nil {
				return err
			}
		}
		switch f.num {
		case 5: // initializer
			t := f.sub(fmt.Sprintf("%s.initializer[%d]", m.where, inits))
			inits++
			name, kind, err := tensor(t)
			if err != nil {
				return err
			}
			s.types[name] = kind
			if name == "" || s.initializers[name] {
				return t.wrong("has no name of its own (%q)", clip(name))
			}
			s.initializers[name], s.names[name] = true, true
		case 11: // input
			v, err := value(f.sub(fmt.Sprintf("%s.input[%d]", m.where, len(s.inputs))))
			if err != nil {
				return err
			}
			s.inputs = append(s.inputs, v)
			s.names[v.Name] = true
			if s.types[v.Name] == 0 { // it is no initializer
				s.types[v.Name] = int64(v.Type)
			}
			return s.room(m, 1)
		case 12: // output
			v, err := value(f.sub(fmt.Sprintf("%s.output[%d]", m.where, len(s.outputs))))
			if err != nil {
				return err
			}
			s.outputs = append(s.outputs, v)
			return s.room(m, 1)
		case 15:
			return m.wrong("sparse initializers are not supported")
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := s.readNodes(m); err != nil {
		return err
	}
	for i, out := range s.outputs {
		if !s.knows(out.Name) {
			return m.wrong("output[%d] %q is produced by no node", i, clip(out.Name))
		}
	}
	return nil
}

func (s *scope) readNodes(m message) error {
	return m.each(func(f field) error {
		if f.num != 1 {
			return nil
		}
		if s.nodes == maxNodes {
			return m.wrong("has more than %d nodes", maxNodes)
		}
		err := s.node(f.sub(fmt.Sprintf("%s.node[%d]", m.where, s.nodes)))
		s.nodes++
		return err
	})
}

func (s *scope) node(m message) error {
	var op, name string
	var inputs, outputs []string
	var attributes []field
	err := m.each(func(f field) error {
		var text string
		var err error
		switch f.num {
		case 1, 2, 3, 4:
			if text, err = m.text(f); err != nil {
				return err
			}
		}
		switch f.num {
		case 1:
			inputs = append(inputs, text)
		case 2:
			outputs = append(outputs, text)
		case 3:
			name = text
		case 4:
			op = text
		case 5:
			attributes = append(attributes, f)
			return m.expect(f, protowire.BytesType)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if op == "" {
		return m.wrong("has no operator")
	}
	if err := s.room(m, 1+len(inputs)+len(outputs)+len(attributes)); err != nil {
		return err
	}
	m.where += " (" + clip(op)
	if name != "" {
		m.where += " " + clip(name)
	}
	m.where += ")"
	for _, in := range inputs {
		if in != "" && !s.knows(in) { // "" is an optional input that is left out
			return m.wrong("reads %q, which nothing before it writes: the graph has a cycle, is out of order or is damaged", clip(in))
		}
	}
	for _, a := range attributes {
		if err := s.attribute(a.sub(m.where)); err != nil {
			return err
		}
	}
	if err := s.typed(m, op, inputs, outputs); err != nil {
		return err
	}
	for _, out := range outputs {
		if out == "" {
			continue
		}
		if s.names[out] {
			return m.wrong("writes %q a second time", clip(out))
		}
		s.names[out] = true
	}
	return nil
}

// attribute looks into those that hold tensors or graphs.
func (s *scope) attribute(m message) error {
	return m.each(func(f field) error {
		switch f.num {
		case 5, 10: // t, tensors
			if err := m.expect(f, protowire.BytesType); err != nil {
				return err
			}
			if _, _, err := tensor(f.sub(m.where + " tensor")); err != nil {
				return err
			}
			return s.room(m, 1)
		case 6, 11: // g, graphs
			if err := m.expect(f, protowire.BytesType); err != nil {
				return err
			}
			return newScope(s).read(f.sub(m.where + " graph"))
		}
		return nil
	})
}
