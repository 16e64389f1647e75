# Criticism: a book of verse, a novel, a play, with invented authors and titles.
let: autor = {@nomeh} {@apelido}
let: obra = “{@titulo}”
plan: verso novela palco geral novela verso palco verso
plan: geral novela verso palco verso novela geral palco
plan: palco verso geral novela palco verso novela verso
== verso.titulo
- {autor}: {obra}, [versos|poesias|um volume de versos]
== novela.titulo
- {autor}: {obra}, [romance|novela|romance em dois tomos]
== palco.titulo
- {autor}: {obra}, [drama|comédia|drama em cinco atos]
== geral.titulo
- DO GOSTO E SEUS INIMIGOS
- OFÍCIO DE CRÍTICO
- DA IMITAÇÃO
- NOTAS DE UM LEITOR
- A ESTANTE E O SÉCULO
- QUE É UM CLÁSSICO
== verso.corpo
- {#livro1} {#juizo} {#juizo} / {#rua} {#dito} / {#verso} {#verso} {#falha} / {#verso} {#citacao} {#verso} / {#falha} {#conselho} / {#conselho} {#voto}
- {#arte} {#arte} / {#livro1} {#verso} {#juizo} / {#verso} {#falha} {#verso} / {#juizo} {#dito} {#conselho} {#voto}
== novela.corpo
- {#livro1} {#juizo} {#juizo} / {#memoria} {#novela} / {#novela} {#novela} {#falha} / {#novela} {#citacao} / {#falha} {#conselho} / {#voto}
- {#arte} {#livro1} / {#novela} {#novela} {#juizo} / {#falha} {#dito} {#novela} / {#arte} {#conselho} {#voto}
== palco.corpo
- {#livro1} {#palco} {#palco} / {#clima} {#rua} / {#juizo} {#falha} {#palco} / {#palco} {#citacao} / {#arte} {#conselho} / {#voto}
- {#arte} {#arte} / {#livro1} {#palco} / {#juizo} {#palco} {#falha} / {#palco} {#dito} / {#conselho} {#voto}
== geral.corpo
- {#arte} {#arte} {#dito} / {#arte} {#citacao} {#memoria} / {#arte} {#juizo} / {#conselho} {#leitor} {#voto}
- {#leitor} {#arte} / {#dito} {#arte} {#citacao} / {#arte} {#falha} / {#conselho} {#arte} {#voto}
== livro1
- Tenho à vista o livro do Sr. {autor}, {obra}, [impresso|saído] em {@longe}, com {@conta} [páginas de erratas|sonetos a mais|vinhetas] e {o ideia} [na dedicatória|por epígrafe].
- Ainda não [conhecíamos|tínhamos lido] o Sr. {autor}; {obra} apresenta-o {~m moral}, {~m moral} e, nas melhores páginas, {~m humor}.
- O Sr. {autor}, autor de {obra}, estreou com {@livro}; agora tenta {o ideia}, assunto [difícil|antigo|de fôlego].
- Eis, depois de {@prazo} de [promessas|silêncio|anúncios], {obra}, do Sr. {autor}. A imprensa {@gesto}; [nós lemos|a crítica deve ler|a crítica leu].
== juizo
- Achamos neste trabalho {o ideia} e {o ideia}; não sobra {o ideia}, sem {.o} qual a invenção não passa de {@como}.
- O estilo, {~m feitio} nas descrições, torna-se {~m feitio} sempre que o autor cuida de {@inf}.
- A imaginação do Sr. {autor} parece {@como}; [o estudo|a lima|a leitura] fará dela [outra coisa|o que {@cantou} foi].
- O gosto do dia exige {o ideia}; o Sr. {autor} cede algumas vezes, {@comp}.
- Não basta [sentir|imaginar] {o ideia}; cumpre [dizê-{.lo}|compô-{.lo}] com {n ideia}, e é nisso que {obra} [vacila|vence|engana].
== verso
- Leia-se a [terceira|quinta|última] [estância|composição], onde {um flor}, {~humor} e quase {~humor}, responde a {um bicho}; sente-se {o ideia}.
- A métrica, que em {@cantou} canta, [aqui|no Sr. {autor}] manqueja, {@comp}.
- De todos os sonetos, {@conta} parecem escritos para {@inf}; dois ou três, para [durar|ficar].
- A inspiração [do Sr. {autor}|destes versos], {~f fisico} e {~f humor}, [nasceu|veste-se] em {@longe} e janta com {@cantou}.
== novela
- A ação resume-se numa linha: {@ele} quer {@inf}, {@ela} opõe-se, e {o ideia} [decide|desfaz] tudo.
- O diálogo, {~m feitio}, obriga {o oficio} a discorrer {@comp} acerca de {o ideia}.
- [A heroína|A protagonista], {~f fisico} e {~f moral}, {@gesto} em toda ocasião; um caráter pede outra coisa que {n ideia}.
- [O Sr. {autor}|O romancista] descreve {@vista} com mais arte do que {o ideia} de uma [viúva|mãe|criança].
== palco
- Levantado o pano, {@ele} promete {@inf}; cai o pano e ainda promete: eis toda a fábula.
- A atriz, {~f fisico} e {~f humor}, deu a cena [do punhal|da carta|do perdão] {@comp}.
- O ator {@apelido} {@gesto}, {@circ}, onde o texto mandava {o ideia}; a plateia chorou.
- O cenário mostrava {um traste}, {um coisa} e {@vista}; foi [o mais verdadeiro|a melhor personagem] da noite.
- Ouvimos {@som} durante o monólogo; o autor não [reclamou|o previra], e lucrou a cena.
== falha
- [Um reparo|Notemos]: {o ideia} não se prova com {@conta} [adjetivos|interjeições|reticências].
- Notam-se [galicismos|descuidos|versos] que {o oficio} [não assinaria|corrigiria], {@circ}.
- Para que {@inf}, se {o ideia} bastava? Seria {@como}.
- O desenlace chega {@comp}; preferíamos {o ideia}.
== conselho
- Estude o Sr. {autor} a {@cantou} e a {@cantou}; fuja de {o ideia}, e espere outro livro dentro de {@prazo}.
- Nunca [escreva|componha] {@hora}, {~m humor}, antes de {@inf}; a arte pede {o ideia} {.próprio}.
- Risque um terço e releia o resto {@prazo}: {@tese}.
- A mocidade desculpa {o ideia}; o que nunca emenda é {o ideia}.
== voto
- Ficamos à espera; se errei, di-lo-á [o público|o tempo|{@cantou}].
- [São estes|Tais são] os votos de um amigo: {n ideia}, {n ideia} e [boa letra|menos vírgulas|bom papel].
- Voltaremos a {obra} [com vagar|em {@mes}]; agora, {@tese}.
- Deste modo o Sr. {autor} entrará nas estantes por {o ideia}, e nunca por {o ideia}.
== arte
- A crítica, bem entendida, é {@como}, {@complem}.
- O que vem a ser o [gosto|estilo|belo]? {@cantou} diria: {o ideia}; {@cantou}: {o ideia}; o impressor: {o coisa}.
- [Uma literatura|Um povo] jamais se faz com {n ideia} e {n tecido}; nasce com {n ideia}, paciência e alguns tolos.
- A escola de hoje descreve {o traste} e {o doce}; a antiga cantava {o flor} e {o ideia}: ambas [esquecem|perdem de vista] o homem.
- O público pede {n ideia}; o poeta, {n ideia}; o editor, {@soma}; ponha-os o crítico de acordo.
- Imitar nunca foi pecado; pecado é {@inf} e chamar-lhe {n ideia}.
