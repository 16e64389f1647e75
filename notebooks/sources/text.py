import nbformat,sys
nb=nbformat.read(sys.argv[1],4)
for i,c in enumerate(nb.cells):
    if c.cell_type=="code":
        print(f"--- [{i}] {c.source.splitlines()[0][:90]} ({len([l for l in c.source.splitlines() if l.strip() and not l.strip().startswith('#')])} lines)")
        for o in c.outputs:
            t=o.get("text","") or o.get("data",{}).get("text/plain","")
            print("   | "+str(t).strip().replace("\n","\n   | ")[:1500], f"[{o.output_type} {o.get('name','')}]" if o.output_type!="stream" or o.get("name")=="stderr" else "")
