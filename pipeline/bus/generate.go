package bus

//go:generate ./generate.sh
