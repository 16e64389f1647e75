import ast, re, sys, textwrap, json, hashlib
import nbformat
from nbformat.v4 import new_notebook, new_code_cell, new_markdown_cell
REPO="/work/main"
def strip_doc(src):
    tree=ast.parse(src); lines=src.splitlines(); drop=set()
    for node in ast.walk(tree):
        if isinstance(node,(ast.FunctionDef,ast.ClassDef)) and node.body and isinstance(node.body[0],ast.Expr) and isinstance(getattr(node.body[0],'value',None),ast.Constant) and isinstance(node.body[0].value.value,str):
            e=node.body[0]; drop|=set(range(e.lineno-1,e.end_lineno))
            # blank line after the docstring
            if e.end_lineno<len(lines) and not lines[e.end_lineno].strip(): drop.add(e.end_lineno)
    return "\n".join(l for i,l in enumerate(lines) if i not in drop)
def show(file,name):
    src=open(f"{REPO}/{file}").read(); lines=src.splitlines(); tree=ast.parse(src)
    methods=None
    if "." in name: name,methods=name.split("."); methods=methods.split(",")
    for node in tree.body:
        if getattr(node,"name",None)==name:
            start=min([d.lineno for d in node.decorator_list]+[node.lineno])-1
            seg=lines[start:node.end_lineno]
            if methods:
                out=lines[start:node.body[0].lineno-1]
                for m in node.body:
                    if getattr(m,"name",None) in methods:
                        s=min([d.lineno for d in m.decorator_list]+[m.lineno])-1
                        out+=lines[s:m.end_lineno]+[""]
                seg=out
            return strip_doc("\n".join(seg).rstrip())
        if isinstance(node,ast.Assign) and node.targets[0].id==name:
            return "\n".join(lines[node.lineno-1:node.end_lineno])
    raise SystemExit(f"{file}: {name} not found")
def build(path,out):
    text=open(path).read(); cells=[]
    for i,part in enumerate(re.split(r"^# %%",text,flags=re.M)[1:]):
        head,_,body=part.partition("\n"); body=body.strip("\n")
        cid=hashlib.md5(f"{path}{i}".encode()).hexdigest()[:8]
        if "[markdown]" in head:
            body="\n".join(re.sub(r"^# ?","",l) for l in body.splitlines())
            c=new_markdown_cell(body)
        else:
            body=re.sub(r"^@show (\S+) (\S+)$",lambda m: show(m[1],m[2]),body,flags=re.M)
            c=new_code_cell(body)
        tags=re.search(r"\[\[(.*?)\]\]",head)
        if tags: c.metadata["tags"]=tags[1].split()
        c.id=f"c{i:03d}"
        cells.append(c)
    nb=new_notebook(cells=cells,metadata={"kernelspec":{"name":"python3","display_name":"Python 3","language":"python"},"language_info":{"name":"python"},"colab":{"provenance":[]},"accelerator":"GPU"})
    import os
    if os.path.exists(out):
        old=nbformat.read(out,4); oc=[c for c in old.cells if c.cell_type=='code']; nc=[c for c in nb.cells if c.cell_type=='code']
        same=[a.source==b.source for a,b in zip(oc,nc)]
        if len(oc)==len(nc) and all(same):
            for a,b in zip(oc,nc): b.outputs=a.outputs; b.execution_count=a.execution_count
            print('outputs kept')
        else: print('outputs dropped', [b.source[:60] for a,b in zip(oc,nc) if a.source!=b.source][:3])
    nbformat.validate(nb); nbformat.write(nb,out)
build(sys.argv[1],sys.argv[2])
